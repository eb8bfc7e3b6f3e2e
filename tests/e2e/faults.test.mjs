// SPDX-License-Identifier: Apache-2.0
// What goes wrong round the server: a full disk, a damaged database, a second server, an end under load.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { call, command, Project } from './lib/api.mjs';
import { until } from './lib/events.mjs';
import { RawWebSocket } from './lib/raw.mjs';
import { binary, cleanEnvironment, serverTest } from './lib/server.mjs';

const run = promisify(execFile);

/** What a server that must not start says, and its exit code. */
async function refused(data) {
  const child = spawn(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0'], { env: cleanEnvironment() });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (part) => (text += part));
  const [code] = await once(child, 'close');
  return { code, text };
}

serverTest('a full disk: refused with 503, then accepted again without a restart', {}, async (server) => {
  const project = await Project.create(server);
  await project.create('u1', { order_id: 1 });
  await run('prlimit', ['--pid', String(server.pid), '--fsize=4096:unlimited']);
  await until(async () => {
    const answer = await project.request('POST', '/orders', {
      user_external_id: 'u1', custom_parameters: { text: 'x'.repeat(4000) },
    });
    if (answer.status === 201) return false;
    assert.equal(answer.status, 503, answer.text);
    assert.equal(answer.json.errorCode, 1530);
    return true;
  }, 'a refused update');
  assert.equal((await call(`${server.url}/ready`)).status, 503);
  assert.equal((await call(`${server.url}/health`)).status, 200);
  assert.equal((await project.getOrder(1, project.token('u1'))).json.status, 'new');
  await run('prlimit', ['--pid', String(server.pid), '--fsize=unlimited:unlimited']);
  await until(async () => (await call(`${server.url}/ready`)).status === 200, 'ready again by itself');
  assert.equal((await project.set(1, 'paid')).applied, true);
  await server.kill();
  await server.start();
  assert.equal((await project.getOrder(1, project.token('u1'))).json.status, 'paid');
});

serverTest('a second server on the same data, and on the same port', {}, async (server) => {
  const { code, text } = await refused(server.data);
  assert.equal(code, 1);
  assert.match(text, /another|in use|running/i);
  const other = await mkdtemp(path.join(tmpdir(), 'orderwire-e2e-'));
  const taken = await run(binary, ['serve', '--data', other, '--listen', `127.0.0.1:${server.port}`], {
    env: cleanEnvironment(),
  }).catch((error) => error);
  assert.equal(taken.code, 1);
  assert.ok(taken.stderr.includes(String(server.port)), taken.stderr);
  await rm(other, { recursive: true });
  assert.equal((await call(`${server.url}/health`)).status, 200);
});

test('all descriptors that the system grants are taken', async () => {
  const data = await mkdtemp(path.join(tmpdir(), 'orderwire-e2e-'));
  const child = spawn('prlimit', ['--nofile=256:4096', binary, 'serve', '--data', data, '--listen', '127.0.0.1:0'], {
    env: cleanEnvironment(),
  });
  const closed = once(child, 'close');
  try {
    await once(child.stdout, 'data');
    assert.match(await readFile(`/proc/${child.pid}/limits`, 'utf8'), /^Max open files +4096 +4096 /m);
  } finally {
    child.kill('SIGTERM');
    await closed;
    await rm(data, { recursive: true });
  }
});

serverTest('a missing secrets.key is refused with a sentence once there are webhooks', {}, async (server) => {
  const file = path.join(server.data, 'secrets.key');
  const key = await readFile(file);
  await server.stop();
  await rm(file);
  await server.start();
  assert.notDeepEqual(await readFile(file), key, 'it is made while nothing was sealed');
  const made = await readFile(file);
  const project = await Project.create(server);
  assert.equal((await project.request('POST', '/webhooks', { url: 'https://example.com/' })).status, 201);
  await server.stop();
  await rm(file);
  const { code, text } = await refused(server.data);
  assert.equal(code, 1);
  assert.match(text, /secrets\.key: missing/);
  await assert.rejects(readFile(file), { code: 'ENOENT' });
  await writeFile(file, made, { mode: 0o600 });
  await server.start();
});

for (const [name, damage] of Object.entries({
  'an empty file': () => Buffer.alloc(0),
  'garbage': (bytes) => Buffer.from(bytes.map((byte, i) => (i * 7) & 255)),
  'a file cut off': (bytes) => bytes.subarray(0, bytes.length / 2),
  'a torn first page': (bytes) => Buffer.concat([Buffer.alloc(200, 1), bytes.subarray(200)]),
})) {
  test(`a damaged database is refused with a sentence and left as it is: ${name}`, async () => {
    const data = await mkdtemp(path.join(tmpdir(), 'orderwire-e2e-'));
    const file = path.join(data, 'orderwire.db');
    try {
      const child = spawn(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0'], { env: cleanEnvironment() });
      await once(child.stdout, 'data');
      child.kill('SIGTERM');
      await once(child, 'close');
      const damaged = damage(await readFile(file));
      await writeFile(file, damaged);
      const { code, text } = await refused(data);
      assert.equal(code, 1);
      assert.match(text, /^orderwire: .*orderwire\.db/m);
      assert.ok(damaged.equals(await readFile(file)), 'the file was changed');
    } finally {
      await rm(data, { recursive: true, force: true });
    }
  });
}

serverTest('SIGTERM drains: held requests answered, a few sessions closed soon with 3001, exit 0', { drain_time: '10m' },
  async (server) => {
    const project = await Project.create(server);
    await project.create('u1', { order_id: 1 });
    const token = project.token('u1');
    const held = project.getOrder(1, token, { headers: { 'if-none-match': '"1"' }, query: '?wait=60' });
    const sockets = [];
    for (let i = 0; i < 10; i += 1) {
      const socket = await RawWebSocket.open(server);
      await socket.connect({ auth: token, project_id: project.id });
      sockets.push(socket);
    }
    await until(async () => (await server.metric('connections')) >= 11, 'the held request');
    const closes = sockets.map((socket) => socket.closed());
    await server.stop();
    for (const close of await Promise.all(closes)) assert.deepEqual(close, { code: 3001, reason: 'shutdown' });
    assert.equal((await held).status, 304);
    await server.start();
    assert.equal((await project.getOrder(1, project.token('u1'))).status, 200);
  });

serverTest('a second SIGINT ends a drain, and what was acknowledged is there', { drain_time: '10m' }, async (server, t) => {
  const project = await Project.create(server);
  const slow = net.connect(server.port, '127.0.0.1');
  slow.on('error', () => {});
  slow.write('GET /health HTTP/1.1\r\n');
  t.after(() => slow.destroy());
  await until(async () => (await server.metric('connections')) >= 2, 'half a request');
  const { order_id } = await project.create('u1', { status: 'paid' });
  process.kill(server.pid, 'SIGINT');
  await until(() => server.log.includes('draining'), 'the drain');
  process.kill(server.pid, 'SIGINT');
  await server.died('the second SIGINT', ['SIGINT']);
  await server.start();
  assert.equal((await project.getOrder(order_id, project.token('u1'))).json.status, 'paid');
});

serverTest('slow requests end', { 'http.header_timeout': '200ms', 'http.body_timeout': '200ms' }, async (server) => {
  for (const text of ['GET /health HTTP/1.1\r\nHost: x\r\n', 'POST /server/v1/project/1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{']) {
    const socket = net.connect(server.port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', (part) => (answer += part));
    socket.write(text);
    await once(socket, 'close');
    assert.match(answer, /^HTTP\/1\.1 408 /);
  }
});

serverTest('a backup taken while orders are written is whole', {}, async (server) => {
  const project = await Project.create(server);
  const copy = path.join(server.data, 'copy');
  const orders = (from) => Array.from({ length: 500 }, (_, i) => ({ order_id: from + i, user_external_id: 'u1', status: 'paid' }));
  await project.batch(orders(1));
  const backup = run(binary, ['backup', copy, '--data', server.data]);
  await project.batch(orders(501));
  await backup;
  await assert.rejects(run(binary, ['backup', copy, '--data', server.data]), /overwrites nothing, and this exists already; choose another name/);
  const data = await mkdtemp(path.join(tmpdir(), 'orderwire-e2e-'));
  let child;
  try {
    await writeFile(path.join(data, 'orderwire.db'), await readFile(copy));
    child = spawn(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0'], { env: cleanEnvironment() });
    const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
    const restored = { backendUrl: line.trim().replace('listening on ', ''), data };
    const order = JSON.parse(await command(restored, 'order', 'get', '500', '--project', '77640', '--json'));
    assert.equal(order.status, 'paid');
    child.kill('SIGTERM');
    await once(child, 'close');
  } finally {
    child?.kill('SIGKILL');
    await rm(data, { recursive: true, force: true });
  }
});
