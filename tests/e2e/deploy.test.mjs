// SPDX-License-Identifier: Apache-2.0
// What `make install` puts in place, what systemd says of the unit, and what the server tells a service manager.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Inbox } from './lib/events.mjs';
import { binary, cleanEnvironment, Server } from './lib/server.mjs';

const run = promisify(execFile);
const project = new URL('../..', import.meta.url).pathname;
/** systemd's own scale from 0, closed, to 10, open; a unit of only `ExecStart=` has 9.6. */
const EXPOSURE_MAX = 2;

async function temporary(t) {
  const folder = await mkdtemp(path.join(tmpdir(), 'orderwire-e2e-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function install(...words) {
  return run('make', ['-C', project, 'install', `PROGRAM=${path.resolve(binary)}`, ...words], { env: cleanEnvironment() });
}

test('make install puts the program and its unit in place, and nothing else', async (t) => {
  const root = await temporary(t);
  await install(`DESTDIR=${root}`, 'PREFIX=/opt/orderwire');
  const unit = 'opt/orderwire/lib/systemd/system/orderwire.service';
  const found = await readdir(root, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map((entry) => entry.name);
  assert.deepEqual(files.sort(), ['orderwire', 'orderwire.service']);
  assert.equal((await stat(path.join(root, 'opt/orderwire/bin/orderwire'))).mode & 0o777, 0o755);
  const text = await readFile(path.join(root, unit), 'utf8');
  assert.match(text, /^ExecStart=\/opt\/orderwire\/bin\/orderwire serve /m);
  assert.doesNotMatch(text, /\/usr\/local/);
});

test('systemd understands the unit and finds it closed', async (t) => {
  const prefix = await temporary(t);
  await install(`PREFIX=${prefix}`);
  const unit = path.join(prefix, 'lib/systemd/system/orderwire.service');
  const version = await run('systemd-analyze', ['--version']).catch(() => null);
  if (!version) return t.skip('systemd-analyze, which comes with systemd, is not here');
  const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', unit]);
  assert.equal(stdout + stderr, '');
  const judged = await run('systemd-analyze', ['security', '--offline=true', unit]);
  const level = Number(/exposure level for orderwire\.service: ([\d.]+)/.exec(judged.stdout)[1]);
  assert.ok(level <= EXPOSURE_MAX, judged.stdout);
});

/** A service manager's socket; its datagrams come into an Inbox. Node has no such sockets. */
async function serviceManager(t) {
  const name = path.join(await temporary(t), 'notify');
  const program = `
import json, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(${JSON.stringify(name)})
print('{}', flush=True)
while True:
    print(json.dumps(dict(line.split('=', 1) for line in s.recv(4096).decode().split('\\n'))), flush=True)`;
  const child = spawn('python3', ['-c', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const inbox = new Inbox();
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    lines.forEach((line) => inbox.push(JSON.parse(line)));
  });
  await inbox.next('the socket');
  return { name, inbox };
}

test('the service manager is told of start, reload and end', async (t) => {
  const { name, inbox } = await serviceManager(t);
  const server = await Server.start({ drain_time: '100ms' });
  t.after(() => server.destroy());
  await server.stop();
  await server.start({ NOTIFY_SOCKET: name });
  assert.deepEqual(await inbox.next('the start'), { READY: '1' });
  process.kill(server.pid, 'SIGHUP');
  const { RELOADING, MONOTONIC_USEC } = await inbox.next('the reload');
  assert.equal(RELOADING, '1');
  assert.ok(Math.abs(Number(MONOTONIC_USEC) - Number(process.hrtime.bigint() / 1000n)) < 60e6, MONOTONIC_USEC);
  assert.deepEqual(await inbox.next('the end of the reload'), { READY: '1' });
  await server.stop();
  assert.deepEqual(await inbox.next('the end'), { STOPPING: '1', EXTEND_TIMEOUT_USEC: '30100000' });
});
