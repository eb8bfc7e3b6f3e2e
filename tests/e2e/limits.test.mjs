// SPDX-License-Identifier: Apache-2.0
// The sizes that the operator sets, each at its last good byte and one past it; and the memory that check-config
// says they allow.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { call, Project } from './lib/api.mjs';
import { until } from './lib/events.mjs';
import { dial, RawWebSocket } from './lib/raw.mjs';
import { binary, cleanEnvironment, serverTest, step } from './lib/server.mjs';

const KIB = 1024;
const SIZES = {
  'limits.header_bytes': '4KiB', 'limits.body_bytes': '5KiB', 'limits.batch_bytes': '6KiB',
  'limits.message_bytes': '33KiB', 'limits.queue_bytes': '32KiB',
};

/** The status of an answer to a head whose field lines are `length` bytes, the empty one included. */
async function headerStatus(server, length) {
  const lines = `Host: a\r\nConnection: close\r\nX: `;
  const socket = server.own(dial(server));
  socket.write(`GET /health HTTP/1.1\r\n${lines.padEnd(length - 4, 'x')}\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += chunk;
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)[1]);
}

/** How a WebSocket message of `length` bytes is taken: "answered", or the code that ends the connection. */
async function messageOutcome(server, data, length) {
  const socket = await RawWebSocket.open(server);
  await socket.connect(data);
  const rpc = (id) => `{"id":${id},"rpc":{}}`;
  socket.send(`${rpc(2)}\n${rpc(3).padEnd(20_000)}\n${rpc(4)}`.padEnd(length));
  const outcome = await socket.next('the answer').then(() => 'answered', async () => (await socket.closed()).code);
  socket.destroy();
  return outcome;
}

const order = (length) => '{"user_external_id":"u"}'.padEnd(length);

serverTest('sizes', SIZES, async (server, t) => {
  const project = await Project.create(server);
  const data = { auth: project.token('u1'), project_id: project.id };
  const create = async (length) => (await project.request('POST', '/orders', order(length))).status;
  const batch = async (length) =>
    (await project.request('POST', '/orders/batch', `{"user_external_id":"u","order_id":1}`.padEnd(length),
      { 'content-type': 'application/x-ndjson' })).status;
  await step(t, server, 'headers', async () => {
    assert.deepEqual([await headerStatus(server, 4 * KIB), await headerStatus(server, 4 * KIB + 1)], [200, 431]);
  });
  await step(t, server, 'bodies', async () => {
    assert.deepEqual([await create(5 * KIB), await create(5 * KIB + 1)], [201, 413]);
    assert.deepEqual([await batch(6 * KIB), await batch(6 * KIB + 1)], [200, 413]);
    const connect = async (length) =>
      (await call(`${server.url}/connection/uni_sse`, { method: 'POST', body: '{}'.padEnd(length) })).status;
    assert.deepEqual([await connect(5 * KIB), await connect(5 * KIB + 1)], [200, 413]);
  });
  await step(t, server, 'messages', async () => {
    assert.equal(await messageOutcome(server, data, 33 * KIB), 'answered');
    assert.equal(await messageOutcome(server, data, 33 * KIB + 1), 1009);
  });
});

serverTest('sizes are taken up by SIGHUP', {}, async (server) => {
  const project = await Project.create(server);
  const file = path.join(server.data, 'orderwire.yaml');
  const create = async (length) => (await project.request('POST', '/orders', order(length))).status;
  await writeFile(file, 'limits:\n  body_bytes: 4KiB\n');
  await server.stop();
  await server.start({ ORDERWIRE_CONFIG: file });
  assert.deepEqual([await create(4 * KIB), await create(4 * KIB + 1)], [201, 413]);
  await writeFile(file, 'limits:\n  body_bytes: 8KiB\n');
  server.reload();
  await until(async () => (await create(8 * KIB)) === 201, 'larger bodies to be taken');
  assert.equal(await create(8 * KIB + 1), 413);
});

/** The MiB that check-config counts with these options, in all. */
function counted(...pairs) {
  const words = ['check-config', ...pairs.flatMap((pair) => ['--set', pair])];
  const text = execFileSync(binary, words, { env: cleanEnvironment(), encoding: 'utf8' });
  return Number(/^# +([\d.]+) MiB {2}in all$/m.exec(text)[1]);
}

test('check-config counts them', () => {
  const one = 'limits.connections=1024';
  const usual = counted(one);
  assert.equal((counted(one, 'limits.header_bytes=64KiB') - usual).toFixed(1), '96.0');
  const queue = counted(one, 'limits.queue_bytes=1MiB');
  assert.ok(queue - usual > 800);
  assert.equal((counted(one, 'limits.queue_bytes=1MiB', 'limits.message_bytes=1MiB') - queue).toFixed(1), '960.0');
});
