// SPDX-License-Identifier: Apache-2.0
// kill -9 in the middle of a stream of updates, twenty times: what was acknowledged is there after the
// restart, on Get order and in the stream, once and in order.
import assert from 'node:assert/strict';
import { Project } from './lib/api.mjs';
import { RawWebSocket } from './lib/raw.mjs';
import { serverTest } from './lib/server.mjs';

const ROUNDS = process.env.ORDERWIRE_SHORT ? 5 : 20;
const WRITERS = 8;
const RANK = { new: 0, paid: 1, done: 2, canceled: 3 };

/** Walks orders until the server is gone; `acknowledged` gets what was answered. */
async function walk(project, user, firstId, acknowledged) {
  for (let id = firstId; ; id += 1) {
    for (const status of ['new', 'paid', 'done']) {
      let answer;
      try {
        answer = await project.request('POST', '/orders', { user_external_id: user, order_id: id, status });
      } catch {
        return;
      }
      assert.ok(answer.status === 200 || answer.status === 201, answer.text);
      acknowledged.set(id, { user, status });
      acknowledged.count += 1;
    }
  }
}

/** The next reply; the latest statuses that a fresh connection is told are passed over. */
async function nextReply(socket) {
  for (;;) {
    const message = await socket.next('a reply');
    if (!message.push) return message;
  }
}

async function history(server, project, user) {
  const socket = await RawWebSocket.open(server);
  const { channel } = await socket.connect({ auth: project.token(user), project_id: project.id });
  const all = [];
  for (let offset = 0; ;) {
    socket.send(JSON.stringify({ history: { channel, limit: 100, since: { offset } }, id: 2 }));
    const { history: page } = await nextReply(socket);
    all.push(...page.publications);
    if (page.publications.length === 0) break;
    offset = page.publications.at(-1).offset;
  }
  socket.destroy();
  return all;
}

async function verify(server, project, acknowledged) {
  for (const [id, { user, status }] of acknowledged) {
    const answer = await project.getOrder(id, project.token(user));
    assert.equal(answer.status, 200, `order ${id}: ${answer.text}`);
    assert.ok(RANK[answer.json.status] >= RANK[status], `order ${id} was ${status}, is ${answer.json.status}`);
  }
  for (const user of new Set([...acknowledged.values()].map((order) => order.user))) {
    const publications = await history(server, project, user);
    assert.deepEqual(publications.map((one) => one.offset), publications.map((_, i) => i + 1));
    const last = new Map();
    for (const { data } of publications) {
      const expected = last.has(data.order_id) ? RANK[last.get(data.order_id)] + 1 : 0;
      assert.equal(RANK[data.status], expected, `order ${data.order_id}: ${data.status}`);
      last.set(data.order_id, data.status);
    }
    for (const [id, order] of acknowledged)
      if (order.user === user) assert.ok(RANK[last.get(id)] >= RANK[order.status], `order ${id} in the stream`);
  }
}

serverTest('kill -9 loses nothing acknowledged', { 'history.max_events': 100000 }, async (server, t) => {
  const project = await Project.create(server);
  let total = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const acknowledged = Object.assign(new Map(), { count: 0 });
    const walks = [];
    for (let i = 0; i < WRITERS; i += 1)
      walks.push(walk(project, `r${round}u${i}`, round * 100_000 + i * 10_000 + 1, acknowledged));
    // The moment varies with the round: after so many answers, wherever the writers then are.
    while (acknowledged.count < 20 + round * 7) await new Promise(setImmediate);
    await server.kill();
    await Promise.all(walks);
    await server.start();
    await verify(server, project, acknowledged);
    total += acknowledged.count;
  }
  t.diagnostic(`${total} acknowledged updates over ${ROUNDS} kills, none lost`);
});
