// SPDX-License-Identifier: Apache-2.0
// kill -9 at any moment, and at the moments that matter. Every event that was acknowledged reaches the
// receiver, in the order of its order; what comes twice was cut off between sending and recording, and
// comes with the same id and the same bytes.
import assert from 'node:assert/strict';
import { Project } from './lib/api.mjs';
import { random, short, until } from './lib/events.mjs';
import { Receiver } from './lib/receiver.mjs';
import { serverTest, step } from './lib/server.mjs';
import { Ledger, PATIENT, UNRECORDED, verifyStandard } from './lib/webhooks.mjs';

const ROUNDS = short ? 8 : 50;
const WRITERS = 6;
const CONCURRENCY = 10;
const UNSURE = CONCURRENCY + UNRECORDED;
const TRIES = Array(30).fill(0.05);
const STATUSES = ['new', 'paid', 'done', 'canceled'];
/** Nothing but requests and webhooks commits. */
const QUIET = { 'prune.interval': '1h', 'log.level': 'info' };

/** Walks orders until the server is gone; `acknowledged` gets the seq that each order has reached. */
async function walk(project, firstId, acknowledged) {
  for (let id = firstId; ; id++) {
    for (const status of STATUSES) {
      let answer;
      try {
        answer = await project.request('POST', '/orders', { user_external_id: `u${id % 7}`, order_id: id, status });
      } catch {
        return;
      }
      assert.ok(answer.status === 200 || answer.status === 201, answer.text);
      acknowledged.set(id, answer.json.seq);
      acknowledged.count++;
    }
  }
}

/** Starts writers; what is called with the server gone waits for their end. */
function load(project, firstId, acknowledged) {
  const walks = [];
  for (let i = 0; i < WRITERS; i++) walks.push(walk(project, firstId + i * 1000, acknowledged));
  return () => Promise.all(walks);
}

/** All that was acknowledged has come, and nothing is under way. */
async function drained(project, receiver, acknowledged) {
  await until(async () => {
    const { deliveries } = await project.read('/deliveries?state=waiting&limit=1');
    return deliveries.length === 0;
  }, 'all deliveries to end', 60_000);
  const seen = new Map();
  for (const one of receiver.all) seen.set(`${one.orderId}/${one.seq}`, one);
  for (const [id, top] of acknowledged)
    for (let seq = 1; seq <= top; seq++) assert.ok(seen.has(`${id}/${seq}`), `order ${id}, event ${seq} never came`);
}

/** What came is in order, signed, and comes again as it may. How many came again after a good answer. */
function checkAll(receiver, secret) {
  const ledger = new Ledger(secret);
  for (const one of receiver.all) ledger.take(one);
  receiver.check();
  return ledger.twice;
}

serverTest('kill -9 at random moments under load', { ...QUIET, ...PATIENT }, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const chance = random(20261122);
  const answer = () => ({ status: chance() < 0.1 ? 500 : 200, delay: Math.floor(chance() * 8) });
  const receiver = await Receiver.open(server, { script: answer });
  const { secret } = await project.webhook({ url: receiver.url, concurrency: CONCURRENCY, schedule: TRIES });
  const acknowledged = Object.assign(new Map(), { count: 0 });
  for (let round = 0; round < ROUNDS; round++) {
    const ended = load(project, 1 + round * 10_000, acknowledged);
    const goal = receiver.all.length + 5 + Math.floor(chance() * 80);
    await until(() => receiver.all.length >= goal, 'some webhooks');
    // Anywhere within what the next few webhooks take.
    const pause = process.hrtime.bigint() + BigInt(Math.floor(chance() * 8e6));
    while (process.hrtime.bigint() < pause) await new Promise(setImmediate);
    await server.kill();
    await ended();
    await receiver.nextLife();
    await server.start();
  }
  await drained(project, receiver, acknowledged);
  const twice = checkAll(receiver, secret);
  t.diagnostic(
    `${ROUNDS} kills: ${acknowledged.count} acknowledged events, none lost; ` +
      `${receiver.all.length} webhooks, ${twice} of them came twice, ${(twice / ROUNDS).toFixed(1)} for each kill`,
  );
  assert.ok(twice <= ROUNDS * UNSURE, 'no more came twice than was in flight or waited to be recorded');
  await step(t, server, 'what came twice is in the record once: the first was never recorded', async () => {
    const good = new Map();
    for (const one of receiver.all) if (one.answer === 200) good.set(one.id, (good.get(one.id) ?? 0) + 1);
    const doubled = receiver.all.filter((one) => good.get(one.id) > 1).slice(-100);
    for (const one of doubled) {
      const delivery = (await project.deliveries(one.orderId)).find(({ message_id: id }) => id === one.id);
      assert.equal(delivery.attempts.filter(({ status }) => status === 200).length, 1, one.id);
      const numbers = delivery.attempts.map(({ number }) => number);
      assert.deepEqual(numbers, numbers.map((_, i) => i + 1), `${one.id}: no number is used again`);
    }
  });
});

serverTest('kill -9 at each fault point under load', QUIET, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server, { script: { delay: 1 } });
  const { secret } = await project.webhook({ url: receiver.url, concurrency: CONCURRENCY, schedule: TRIES });
  const acknowledged = Object.assign(new Map(), { count: 0 });
  const passages = short ? [7] : [2, 7, 30, 101];
  let firstId = 1;
  for (const name of ['writer_before_commit', 'writer_after_commit', 'webhook_after_send', 'webhook_before_record']) {
    await step(t, server, name, async () => {
      const before = checkAll(receiver, secret);
      for (const passage of passages) {
        await server.kill();
        await receiver.nextLife();
        await server.start({ ORDERWIRE_FAULT: `${name}:${passage}` });
        const ended = load(project, firstId, acknowledged);
        firstId += 10_000;
        await server.died(`${name}:${passage}`);
        await ended();
        await receiver.nextLife();
        await server.start();
        await drained(project, receiver, acknowledged);
      }
      const twice = checkAll(receiver, secret) - before;
      t.diagnostic(`${name}: ${twice} came twice after ${passages.length} faults`);
      assert.ok(twice <= passages.length * UNSURE);
      if (name.startsWith('webhook')) assert.ok(twice >= passages.length, 'the one that was sent and not recorded comes again');
    });
  }
});

serverTest('each fault point alone: what the client, the store and the receiver know', QUIET, async (server, t) => {
  const project = await Project.withWebhooks(server);
  let posted;
  // It answers once the request that made the order is answered, or lost.
  const receiver = await Receiver.open(server, { script: () => posted.then(() => ({}), () => ({})) });
  const { id: hook, secret } = await project.webhook({ url: receiver.url });
  let order = 0;
  // The first commit after the start is the order's, the second that of the webhook's result.
  for (const { fault, acknowledged, exists, times } of [
    { fault: 'writer_before_commit:1', acknowledged: false, exists: false, times: 0 },
    { fault: 'writer_after_commit:1', acknowledged: false, exists: true, times: 1 },
    { fault: 'webhook_after_send:1', acknowledged: true, exists: true, times: 2 },
    { fault: 'webhook_before_record:1', acknowledged: true, exists: true, times: 2 },
    { fault: 'writer_before_commit:2', acknowledged: true, exists: true, times: 2 },
    { fault: 'writer_after_commit:2', acknowledged: true, exists: true, times: 1 },
  ]) {
    await step(t, server, fault, async () => {
      await server.kill();
      await server.start({ ORDERWIRE_FAULT: fault });
      posted = project.request('POST', '/orders', { user_external_id: 'u', order_id: ++order });
      const answer = await posted.catch(() => null);
      assert.equal(answer?.status, acknowledged ? 201 : undefined);
      await server.died(fault);
      await receiver.nextLife();
      await server.start();
      const read = await project.request('GET', `/orders/${order}`);
      assert.equal(read.status, exists ? 200 : 404);
      if (exists) {
        const [{ id }] = await project.deliveries(order, hook);
        const delivery = await project.delivery(id, 'delivered');
        assert.deepEqual(delivery.attempts.map((one) => [one.number, one.status]), [[1, 200]]);
      }
      // Whatever else the server might send, it would send before this.
      await project.create('u', { order_id: ++order });
      await receiver.find((one) => one.orderId === order);
      const all = receiver.ofOrder(order - 1);
      assert.equal(all.length, times);
      assert.ok(new Set(all.map((one) => one.id)).size <= 1);
      for (const one of all) {
        assert.ok(one.body.equals(all[0].body));
        verifyStandard(one, secret);
      }
      await until(async () => (await project.deliveries(order))[0].state === 'delivered', 'the record');
    });
  }
  checkAll(receiver, secret);
});
