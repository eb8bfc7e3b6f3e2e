// SPDX-License-Identifier: Apache-2.0
// The README's own commands, as they stand there, in an empty folder with the program in build/.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import net from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { binary, cleanEnvironment } from './lib/server.mjs';

const run = promisify(execFile);
const root = new URL('../../', import.meta.url).pathname;

/** A port that nobody has at the moment. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function blocks(text, heading) {
  const section = text.split(`## ${heading}\n`)[1].split('\n## ')[0];
  return [...section.matchAll(/```sh\n(.*?)```/gs)].map((match) => match[1]);
}

test('the ten minutes of the README', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'orderwire-e2e-'));
  try {
    await mkdir(path.join(folder, 'build'));
    await symlink(path.resolve(binary), path.join(folder, 'build', 'orderwire'));
    const port = await freePort();
    const readme = await readFile(path.join(root, 'README.md'), 'utf8');
    const [start, create, walk, http] = blocks(readme, 'Ten minutes');
    const [add, listen, remove] = blocks(readme, 'Webhooks')[0].split('\n');
    const script = `
set -eu
${start.replace(/^make\n/m, '').replace('serve --data data', 'serve --data data > listening & server=$!\ntrap "kill $server" EXIT\nuntil [ -s listening ]; do :; done')}
${create}
KEY=$(build/orderwire project key 77640 --data data --json | sed 's/.*"api_key":"\\([^"]*\\)".*/\\1/')
${walk.replace('data &', 'data > tracked & tracker=$!').replace('sleep 1', 'until grep -q new tracked; do kill -0 $tracker; done')}
wait $tracker
cat tracked
${http.replaceAll('API_KEY', '$KEY').replaceAll('curl ', 'curl -sS ')}
${add}
${listen.replace('localhost:3000', '127.0.0.1:1')} > heard & listener=$!
until grep -q canceled heard; do kill -0 $listener; done
kill -INT $listener
wait $listener
${remove}
build/orderwire webhook list --project 77640 --data data
trap - EXIT
kill $server
wait $server
`.replaceAll('127.0.0.1:8000', `127.0.0.1:${port}`);
    const { stdout } = await run('bash', ['-c', script], {
      cwd: folder,
      env: { ...cleanEnvironment(), ORDERWIRE_LISTEN: `127.0.0.1:${port}`, ORDERWIRE_SERVER: `http://127.0.0.1:${port}` },
      timeout: 30_000,
    });
    assert.match(stdout, /paid\s+websocket/);
    assert.match(stdout, /done\s+websocket/);
    assert.match(stdout, /"order_id":2,"status":"new","seq":1,"token":/);
    assert.match(stdout, /"order_id":2,"status":"paid","content":/);
    assert.match(stdout, /secret +whsec_/);
    assert.match(stdout, /no webhook/i);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
