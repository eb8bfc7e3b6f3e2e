// SPDX-License-Identifier: Apache-2.0
// Webhooks on their way: order, pace, retries, what a receiver's answer does, the record, resend and
// replay, and what a restart leaves.
import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { Project } from './lib/api.mjs';
import { deferred, random, short, until } from './lib/events.mjs';
import { Receiver } from './lib/receiver.mjs';
import { serverTest, step } from './lib/server.mjs';
import { assertError, CONTENT, PATIENT, verifyStandard } from './lib/webhooks.mjs';

serverTest('events of one order arrive in order, those of different orders side by side', {}, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const chance = random(7);
  const orders = short ? 40 : 150;
  const receiver = await Receiver.open(server, { script: () => ({ delay: Math.floor(chance() * 20) }) });
  const other = await Receiver.open(server, { script: () => ({ status: chance() < 0.2 ? 500 : 200, delay: Math.floor(chance() * 10) }) });
  const first = await project.webhook({ url: receiver.url, concurrency: 20 });
  const second = await project.webhook({ url: other.url, concurrency: 50, schedule: Array(20).fill(0.03) });
  const walk = async (from) => {
    for (let id = from; id <= orders; id += 8) {
      await project.create(`u${id % 5}`, { order_id: id });
      for (const status of ['paid', 'done', 'canceled']) await project.set(id, status);
    }
  };
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(walk));
  await receiver.count(orders * 4, undefined, { ms: 60_000 });
  await until(() => other.all.filter((one) => one.answer === 200).length === orders * 4, 'the same where some fail', 60_000);
  for (let id = 1; id <= orders; id++) {
    assert.deepEqual(receiver.ofOrder(id).map((one) => one.seq), [1, 2, 3, 4], `order ${id}`);
    const good = other.ofOrder(id).filter((one) => one.answer === 200);
    assert.deepEqual(good.map((one) => one.seq), [1, 2, 3, 4], `order ${id}, where some fail`);
    const tried = other.ofOrder(id).map((one) => one.seq);
    assert.deepEqual(tried, [...tried].sort(), `order ${id}: a later one does not pass a failed one`);
  }
  for (const one of receiver.all) verifyStandard(one, first.secret);
  for (const one of other.all) verifyStandard(one, second.secret);
  receiver.check();
  other.check();
  assert.ok(receiver.atOnceMax > 4, `${receiver.atOnceMax} at a time`);
  assert.ok(receiver.atOnceMax <= 20, `${receiver.atOnceMax} at a time`);
  t.diagnostic(`${receiver.all.length + other.all.length} webhooks; at most ${receiver.atOnceMax} and ${other.atOnceMax} at a time`);
});

serverTest('an order that waits holds up no other', PATIENT, async (server) => {
  const project = await Project.withWebhooks(server);
  const hold = deferred();
  const receiver = await Receiver.open(server, { script: (one) => (one.orderId === 1 && one.seq === 1 ? hold.promise : {}) });
  await project.webhook({ url: receiver.url, concurrency: 2 });
  await project.create('u', { order_id: 1, status: 'done' });
  for (let id = 2; id < 20; id++) await project.create('u', { order_id: id, status: 'paid' });
  await receiver.count(18 * 2 + 1);
  assert.equal(receiver.ofOrder(1).length, 1);
  const states = (await project.deliveries(1)).map((one) => one.state);
  assert.deepEqual(states, ['waiting', 'blocked', 'blocked']);
  hold.resolve({});
  await receiver.count(18 * 2 + 3);
  assert.deepEqual(receiver.ofOrder(1).map((one) => one.seq), [1, 2, 3]);
  receiver.check();
});

serverTest('a cap on what is in flight, and a rate', {}, async (server) => {
  const project = await Project.withWebhooks(server);
  const capped = await Receiver.open(server, { script: { delay: 10 } });
  const limited = await Receiver.open(server);
  await project.webhook({ url: capped.url, concurrency: 3 });
  await project.webhook({ url: limited.url, rate: 40 });
  const orders = Array.from({ length: 60 }, (_, i) => ({ order_id: i + 1, user_external_id: 'u' }));
  await project.batch(orders);
  await Promise.all([capped.count(60), limited.count(60)]);
  assert.equal(capped.atOnceMax, 3);
  // A tenth of a second's requests may go at once.
  const seconds = (limited.all.at(-1).at - limited.all[0].at) / 1000;
  assert.ok(seconds >= (60 - 4 - 1) / 40 - 0.05, `60 webhooks came in ${seconds} s`);
  capped.check();
});

serverTest('paused holds and then delivers, in order', {}, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  const beside = await Receiver.open(server);
  const { id } = await project.webhook({ url: receiver.url });
  await project.webhook({ url: beside.url });
  const paused = await project.command(`/webhooks/${id}/pause`);
  assert.equal(paused.state, 'paused');
  assert.notEqual(paused.state_reason, '');
  assert.deepEqual(await project.command(`/webhooks/${id}/pause`), paused);
  for (let order = 1; order <= 30; order++) await project.create('u', { order_id: order, status: 'done' });
  await beside.count(90);
  assert.equal(receiver.all.length, 0);
  assert.deepEqual((await project.deliveries(1, id)).map((one) => one.state), ['waiting', 'blocked', 'blocked']);
  await step(t, server, 'a restart changes nothing about it', async () => {
    await server.kill();
    await server.start();
    await project.create('u', { order_id: 31 });
    await beside.find((one) => one.orderId === 31);
    assert.equal(receiver.all.length, 0);
  });
  assert.equal((await project.command(`/webhooks/${id}/resume`)).state, 'active');
  await receiver.count(91);
  for (let order = 1; order <= 30; order++) assert.deepEqual(receiver.ofOrder(order).map((one) => one.seq), [1, 2, 3]);
  receiver.check();
});

serverTest('held too long is dead, with words', {}, async (server) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  const { id } = await project.webhook({ url: receiver.url, max_age: 0.2 });
  await project.command(`/webhooks/${id}/pause`);
  await project.create('u', { order_id: 1 });
  const [{ id: deliveryId }] = await project.deliveries(1);
  const dead = await project.delivery(deliveryId, 'dead');
  assert.equal(dead.attempts.length, 1);
  assert.match(dead.attempts[0].error, /held longer/);
  assert.equal(dead.attempts[0].status, null);
  assert.equal(receiver.all.length, 0);
});

serverTest('a new delivery that could not go waits for its turn: Retry-After, schedule, death', PATIENT, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  const { id, secret } = await project.webhook({ url: receiver.url, schedule: [0.1, 0.1, 0.1] });
  let order = 0;
  const tried = async (script, count) => {
    receiver.script = script;
    await project.create('u', { order_id: ++order, content: CONTENT });
    return receiver.count(count, `${count} attempts`, { matches: (one) => one.orderId === order });
  };

  await step(t, server, 'each attempt has the same id and body, and a signature of its own', async () => {
    receiver.script = [{ status: 500 }, { status: 404 }, { status: 301 }, {}];
    await project.create('u', { order_id: ++order, content: CONTENT });
    await receiver.find((one) => one.orderId === order);
    await project.set(order, { content: { ...CONTENT, items: [] }, custom_parameters: { later: true } });
    const all = await receiver.count(4, '4 attempts', { matches: (one) => one.orderId === order });
    assert.equal(new Set(all.map((one) => one.id)).size, 1);
    assert.equal(new Set(all.map((one) => one.body.toString())).size, 1);
    assert.deepEqual(all[3].json.data.content, CONTENT);
    for (const one of all) verifyStandard(one, secret);
    for (let i = 1; i < 4; i++) {
      const wait = all[i].at - all[i - 1].answeredAt;
      assert.ok(wait >= 75, `the schedule's wait, less a fifth: ${wait} ms`);
    }
    const [delivery] = await project.deliveries(order);
    const { attempts } = await project.delivery(delivery.id, 'delivered');
    assert.deepEqual(attempts.map((one) => [one.number, one.status]), [[1, 500], [2, 404], [3, 301], [4, 200]]);
    assert.match(attempts[2].error, /redirect/);
  });

  await step(t, server, 'Retry-After is longer than the schedule', async () => {
    const all = await tried([{ status: 503, headers: { 'retry-after': '1' } }, {}], 2);
    assert.ok(all[1].at - all[0].answeredAt >= 950, `${all[1].at - all[0].answeredAt} ms`);
    const date = new Date(Date.now() + 2000).toUTCString();
    const dated = await tried([{ status: 429, headers: { 'retry-after': date } }, {}], 2);
    assert.ok(dated[1].at - dated[0].answeredAt >= 900, `${dated[1].at - dated[0].answeredAt} ms`);
    for (const text of ['-5', 'soon', '0', '9'.repeat(40)]) await tried([{ status: 503, headers: { 'retry-after': text } }, {}], 2);
  });

  await step(t, server, 'after the last attempt it is dead; a retry by hand goes on counting', async () => {
    const all = await tried({ status: 500, body: 'no' }, 4);
    const [{ id: deliveryId }] = await project.deliveries(order);
    const dead = await project.delivery(deliveryId, 'dead');
    assert.equal(dead.attempt_count, 4);
    assert.equal(dead.next_at, null);
    assert.ok(dead.finished_at);
    const { deliveries } = await project.read('/deliveries?state=dead');
    assert.deepEqual(deliveries.map((one) => one.id), [deliveryId]);
    receiver.script = { status: 200 };
    assert.deepEqual(await project.command(`/deliveries/${deliveryId}/retry`), { delivery_id: deliveryId });
    const delivered = await project.delivery(deliveryId, 'delivered');
    assert.deepEqual(delivered.attempts.map((one) => one.number), [1, 2, 3, 4, 5]);
    const last = receiver.all.at(-1);
    assert.equal(last.id, all[0].id);
    assert.ok(last.body.equals(all[0].body));
    verifyStandard(last, secret);
  });

  await step(t, server, 'a retry has the whole schedule again; one that is not over is refused', async () => {
    const [{ id: deliveryId }] = await project.deliveries(order);
    const before = receiver.ofOrder(order).length;
    receiver.script = [{ status: 500 }, { status: 500 }, { status: 500 }, {}];
    await project.command(`/deliveries/${deliveryId}/retry`);
    assertError(await project.request('POST', `/deliveries/${deliveryId}/retry`), 409, /not finished/);
    await receiver.count(before + 4, 'four more', { matches: (one) => one.orderId === order });
    await project.delivery(deliveryId, 'delivered');
    for (const bad of ['0', 'x', '999999']) assertError(await project.request('POST', `/deliveries/${bad}/retry`), 404);
    const stranger = await Project.create(server, 5);
    assertError(await stranger.request('POST', `/deliveries/${deliveryId}/retry`), 404);
    assertError(await stranger.request('GET', `/deliveries/${deliveryId}`), 404);
  });

  await step(t, server, 'a dead one lets the next ones of its order go', async () => {
    receiver.script = (one) => ({ status: one.seq === 1 ? 500 : 200 });
    await project.create('u', { order_id: ++order, status: 'paid' });
    const paid = await receiver.find((one) => one.orderId === order && one.seq === 2);
    assert.equal(paid.json.data.previous_status, 'new');
    assert.deepEqual(receiver.ofOrder(order).map((one) => one.seq), [1, 1, 1, 1, 2]);
    assert.equal((await project.deliveries(order, id))[0].state, 'dead');
  });
  receiver.check();
});

serverTest('answers that end a delivery or an endpoint', PATIENT, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const ops = await Receiver.open(server);
  const opsHook = await project.webhook({ url: ops.url, statuses: ['canceled'] });
  const xsolla = await Receiver.open(server);
  await project.webhook({ url: xsolla.url, preset: 'xsolla' });
  const announced = () => ops.all.filter((one) => one.type === 'endpoint.disabled');
  let order = 0;

  for (const [name, answer, state] of [
    ['410', { status: 410 }, 'waiting'],
    ['webhook-delivery: disable', { status: 503, headers: { 'Webhook-Delivery': 'disable' } }, 'waiting'],
    ['webhook-delivery: disable with a 200', { status: 200, headers: { 'webhook-delivery': 'disable' } }, 'delivered'],
  ]) {
    await step(t, server, `${name} disables the endpoint and tells the others`, async () => {
      const before = announced().length;
      const receiver = await Receiver.open(server, { script: [answer, {}] });
      const { id, url } = await project.webhook({ url: `${receiver.url}?key=abc`, schedule: [0.05, 0.05] });
      const first = ++order;
      await project.create('u', { order_id: first, status: 'paid' });
      const news = await until(() => announced()[before], 'endpoint.disabled');
      verifyStandard(news, opsHook.secret);
      assert.deepEqual(Object.keys(news.json), ['type', 'timestamp', 'data']);
      const shown = await project.read(`/webhooks/${id}`);
      assert.equal(shown.state, 'disabled');
      assert.match(shown.state_reason, /410|disable/);
      const told = `"webhook endpoint disabled","project_id":${project.id},"endpoint_id":${id},`;
      await until(() => server.log.includes(told), 'the log to name project and webhook');
      assert.deepEqual(news.json.data, { endpoint_id: id, url, reason: shown.state_reason });
      assert.equal(await server.metric('webhook_endpoints_disabled'), 1);
      const [one, two] = await project.deliveries(first, id);
      assert.deepEqual([one.state, one.attempt_count], [state, 1]);
      assert.equal(two.attempt_count, 0);
      await project.create('u', { order_id: ++order });
      await project.command(`/webhooks/${opsHook.id}/test`, { status: 'canceled' });
      await ops.find((seen) => seen.type === 'order.canceled');
      assert.equal(receiver.all.length, 1, 'nothing goes to a disabled endpoint');
      assert.equal((await project.command(`/webhooks/${id}/resume`)).state, 'active');
      const count = state === 'waiting' ? 4 : 3;
      await receiver.count(count, 'what was held');
      assert.deepEqual(receiver.ofOrder(first).map((seen) => seen.seq), state === 'waiting' ? [1, 1, 2] : [1, 2]);
      await until(async () => (await server.metric('webhook_endpoints_disabled')) === 0, 'none disabled');
      assert.equal(announced().length, before + 1);
      await project.request('DELETE', `/webhooks/${id}`);
      receiver.check();
    });
  }

  await step(t, server, 'abort-message ends the delivery, and no more', async () => {
    const receiver = await Receiver.open(server, { script: [{ status: 500, headers: { 'webhook-delivery': 'abort-message' } }, {}] });
    const { id } = await project.webhook({ url: receiver.url, schedule: [0.05] });
    await project.create('u', { order_id: ++order, status: 'paid' });
    await receiver.count(2);
    assert.deepEqual(receiver.all.map((one) => one.seq), [1, 2]);
    const [dead] = await project.deliveries(order, id);
    assert.equal(dead.state, 'dead');
    assert.match(dead.attempts[0].error, /abort-message/);
    assert.equal((await project.read(`/webhooks/${id}`)).state, 'active');
  });

  await step(t, server, 'any 2xx succeeds', async () => {
    const receiver = await Receiver.open(server);
    const { id } = await project.webhook({ url: receiver.url, schedule: [0.05] });
    for (const status of [200, 201, 202, 204, 206, 226, 299]) {
      receiver.script = { status };
      await project.create('u', { order_id: ++order });
      await until(async () => (await project.deliveries(order, id))[0]?.state === 'delivered', `${status} to succeed`);
    }
    assert.equal(receiver.all.length, 7);
  });
  assert.equal(xsolla.all.filter((one) => one.json.type).length, 0, 'endpoint.disabled is no message of the xsolla preset');
});

serverTest('a receiver that fails is left alone, probed, and then not buried', {
  'webhooks.breaker_after': 5, 'webhooks.breaker_pause': '200ms', 'webhooks.breaker_pause_max': '400ms',
}, async (server) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server, { script: { status: 500 } });
  const healthy = await Receiver.open(server);
  const { id } = await project.webhook({ url: receiver.url, schedule: Array(20).fill(0.02), concurrency: 8 });
  await project.webhook({ url: healthy.url });
  const orders = Array.from({ length: 40 }, (_, i) => ({ order_id: i + 1, user_external_id: 'u' }));
  await project.batch(orders);
  await until(async () => (await server.metric('webhook_breakers_open')) === 1, 'the breaker to open');
  await healthy.count(40);
  const known = receiver.all.length;
  assert.ok(known <= 5 + 8 + 1, `${known} requests before it opened`);
  const probes = await receiver.count(known + 3, 'three probes');
  for (let i = known + 1; i < known + 3; i++) {
    const pause = probes[i].at - probes[i - 1].answeredAt;
    assert.ok(pause >= 180, `${pause} ms between two probes`);
  }
  const hold = deferred();
  const failed = receiver.all.length;
  receiver.atOnceMax = receiver.atOnce;
  receiver.script = (one) => (one === receiver.all[failed] ? hold.promise : { delay: 5 });
  await receiver.count(failed + 1, 'the next probe');
  assert.equal(receiver.atOnce, 1);
  hold.resolve({});
  await receiver.count(failed + 40, 'all of them', {});
  await until(async () => (await server.metric('webhook_breakers_open')) === 0, 'the breaker to close');
  assert.ok(receiver.atOnceMax <= 8);
  await until(async () => (await project.read(`/deliveries?endpoint_id=${id}&state=delivered&limit=100`)).deliveries.length === 40, 'the record');
  receiver.check();
});

serverTest('the record of attempts', PATIENT, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  const { id } = await project.webhook({ url: receiver.url, schedule: [] });
  let order = 0;
  const attempt = async (script) => {
    if (script) receiver.script = script;
    await project.create('u', { order_id: ++order });
    return until(async () => (await project.deliveries(order, id))[0]?.attempts[0], 'the attempt in the record');
  };

  await step(t, server, 'status, duration, address, headers and body', async () => {
    const before = Date.now();
    const one = await attempt({ status: 418, headers: { 'X-Trace': 'abc', 'Set-Cookie': 'a=b' }, body: 'Grüße, no tea', delay: 60 });
    assert.equal(one.number, 1);
    assert.equal(one.status, 418);
    assert.equal(one.error, null);
    assert.equal(one.address, `127.0.0.1:${receiver.port}`);
    assert.equal(one.response_body, 'Grüße, no tea');
    assert.match(one.response_headers, /^X-Trace: abc\r\nSet-Cookie: a=b\r\n/m);
    assert.ok(one.duration_ms >= 59 && one.duration_ms < 60_000, `${one.duration_ms} ms`);
    const started = Date.parse(one.started_at);
    assert.ok(started >= before - 1 && started <= Date.now());
    const next = await attempt({});
    assert.equal(next.status, 200);
    assert.equal(receiver.all.at(-1).headers.cookie, undefined, 'a cookie is not kept');
  });

  await step(t, server, 'the first 4 KiB of a long body, and bytes that are no UTF-8', async () => {
    const long = await attempt({ body: 'x'.repeat(20_000), headers: { 'x-long': 'y'.repeat(6_000) } });
    assert.equal(long.response_body, 'x'.repeat(4096));
    assert.ok(long.response_headers.length <= 4096);
    const bytes = await attempt({ body: Buffer.from([0x61, 0xff, 0xc3, 0xa9, 0xe2, 0x82, 0, 0x62]) });
    assert.match(bytes.response_body, /^a\uFFFDé\uFFFD+\0b$/);
  });

  await step(t, server, 'errors in words: refused, reset, no HTTP, no name', async () => {
    const gone = await Receiver.open(server);
    await gone.close();
    const rows = [
      [gone.url, /connection was refused/, `127.0.0.1:${gone.port}`],
      ['http://no-such-name.invalid/hook', /name was not resolved/, ''],
    ];
    for (const [url, words, address] of rows) {
      await project.request('PATCH', `/webhooks/${id}`, { url });
      const one = await attempt();
      assert.equal(one.status, null);
      assert.match(one.error, words);
      assert.equal(one.address, address);
      assert.equal(one.response_body, '');
    }
    await project.request('PATCH', `/webhooks/${id}`, { url: receiver.url });
    const broken = await attempt({ raw: async (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n') });
    assert.match(broken.error, /no HTTP|within the answer/);
  });

  await step(t, server, 'lists: filters, pages, bad questions', async () => {
    receiver.script = {};
    const since = new Date().toISOString();
    const other = await project.webhook({ url: receiver.url, statuses: ['done'] });
    for (let i = 0; i < 70; i++) await project.create('u', { order_id: ++order, status: i === 0 ? 'done' : 'new' });
    const all = [];
    let cursor = null;
    do {
      const page = await project.read(`/deliveries?created_from=${since}&limit=30${cursor ? `&cursor=${cursor}` : ''}`);
      assert.ok(page.deliveries.length <= 30);
      all.push(...page.deliveries);
      cursor = page.next_cursor;
    } while (cursor);
    assert.equal(all.length, 70 + 2 + 1);
    const ids = all.map((one) => one.id);
    assert.deepEqual(ids, [...ids].sort((a, b) => b - a));
    const { deliveries: mine } = await project.read(`/deliveries?endpoint_id=${other.id}`);
    assert.equal(mine.length, 1);
    assert.equal(mine[0].type, 'order.done');
    const { deliveries: ofOrder } = await project.read(`/deliveries?order_id=${mine[0].order_id}`);
    assert.deepEqual(ofOrder.map((one) => one.seq).sort(), [1, 2, 3, 3]);
    await receiver.count(70, 'all', { matches: (one) => one.orderId > order - 70 });
    const { deliveries: until0 } = await project.read(`/deliveries?created_until=${since}&limit=100`);
    assert.ok(until0.every((one) => one.created_at < since) && until0.length >= 5);
    for (const query of ['state=lost', 'endpoint_id=x', 'order_id=0', 'limit=0', 'limit=101', 'cursor=!', 'created_from=now', 'colour=red'])
      assertError(await project.request('GET', `/deliveries?${query}`), 422, new RegExp(query === 'colour=red' ? 'knows' : query.split('=')[0]));
  });
});

serverTest('all that failed since a time is sent again, across a kill -9', PATIENT, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server, { script: { status: 500 }, keep: false });
  const { id } = await project.webhook({ url: receiver.url, schedule: [], concurrency: 100, statuses: ['new'] });
  const total = short ? 300 : 2000;
  const seen = new Map();
  receiver.listen((one) => seen.set(one.orderId, (seen.get(one.orderId) ?? 0) + 1));
  const make = async (from, count) => {
    for (let at = from; at < from + count; at += 500) {
      const orders = Array.from({ length: Math.min(500, from + count - at) }, (_, i) => ({ order_id: at + i, user_external_id: 'u' }));
      await project.batch(orders);
    }
  };
  const backlog = async () => (await project.read('/deliveries?state=waiting&limit=1')).deliveries.length;
  await make(1, 50);
  await until(async () => (await backlog()) === 0, 'the early ones to be dead');
  await new Promise((resolve) => setTimeout(resolve, 2));
  const since = new Date().toISOString();
  await make(1001, total);
  await until(async () => seen.size === 50 + total && (await backlog()) === 0, 'all to be dead', 60_000);

  receiver.script = {};
  seen.clear();
  const { replay_id: replay } = await project.command(`/webhooks/${id}/replay`, { since });
  const progress = () => project.read(`/webhooks/${id}/replays/${replay}`);
  let before;
  do before = await progress();
  while (before.replayed === 0);
  await server.kill();
  await receiver.nextLife();
  await server.start();
  const after = await until(async () => {
    const now = await progress();
    assert.ok(now.replayed >= before.replayed);
    return now.finished && now;
  }, 'the replay to finish');
  assert.equal(after.replayed, total);
  assert.ok(after.finished_at >= after.created_at && after.since <= after.until);
  await until(() => seen.size === total, 'all of them again', 60_000);
  await until(async () => (await backlog()) === 0, 'their results');
  assert.ok(Math.min(...seen.keys()) === 1001, 'those before the time are left');
  const { deliveries: dead } = await project.read('/deliveries?state=dead&limit=100');
  assert.equal(dead.length, 50);
  t.diagnostic(`${before.replayed} of ${total} were on their way again when it was killed${before.finished ? ', which was too late' : ''}`);
  for (const body of [{}, { since: 'yesterday' }, { since: 5 }])
    assertError(await project.request('POST', `/webhooks/${id}/replay`, body), 422, /since/);
  assertError(await project.request('GET', `/webhooks/${id}/replays/999`), 404, /Replay not found/);
});

serverTest('mode latest: an undelivered older status gives way', PATIENT, async (server) => {
  const project = await Project.withWebhooks(server);
  const hold = deferred();
  const receiver = await Receiver.open(server, { script: [() => hold.promise, {}] });
  const all = await Receiver.open(server);
  const { id } = await project.webhook({ url: receiver.url, mode: 'latest' });
  await project.webhook({ url: all.url });
  await project.create('u', { order_id: 1 });
  await receiver.count(1);
  for (const status of ['paid', 'done', 'canceled']) await project.set(1, status);
  await all.count(4);
  hold.resolve({});
  await receiver.count(2);
  assert.deepEqual(receiver.all.map((one) => one.status), ['new', 'canceled']);
  const { id: last } = (await project.deliveries(1, id)).at(-1);
  await project.delivery(last, 'delivered');
  const deliveries = await project.deliveries(1, id);
  assert.deepEqual(deliveries.map((one) => one.state), ['delivered', 'superseded', 'superseded', 'delivered']);
  assert.deepEqual(deliveries.map((one) => one.attempt_count), [1, 0, 0, 1]);
  assert.equal(await server.metric('webhook_deliveries_total{result="superseded"}'), 2);
  assert.deepEqual(all.all.map((one) => one.status), ['new', 'paid', 'done', 'canceled']);
});

serverTest('mode latest: what failed does not keep the newer one waiting', PATIENT, async (server) => {
  const project = await Project.withWebhooks(server);
  const hold = deferred();
  const receiver = await Receiver.open(server, { script: [{ status: 500 }, () => hold.promise, {}] });
  const { id } = await project.webhook({ url: receiver.url, mode: 'latest', schedule: [3600, 3600] });
  await project.create('u', { order_id: 1 });
  const [first] = await project.deliveries(1, id);
  await until(async () => (await project.read(`/deliveries/${first.id}`)).attempt_count === 1, 'the first attempt is recorded');
  await project.set(1, 'paid');
  await receiver.count(2);
  await project.set(1, 'done');
  hold.resolve({ status: 500 });
  await receiver.count(3);
  assert.deepEqual(receiver.all.map((one) => one.status), ['new', 'paid', 'done']);
});

serverTest('the allow list counts at once, for kept connections too', PATIENT, async (server) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  const { id } = await project.webhook({ url: receiver.url, schedule: Array(10).fill(0.1) });
  await project.create('u', { order_id: 1 });
  await receiver.count(1);
  await project.change({ webhook_allow_cidrs: [] });
  await project.create('u', { order_id: 2 });
  const attempt = await until(async () => (await project.deliveries(2, id))[0]?.attempts[0], 'an attempt');
  assert.match(attempt.error, /may not go to this address/);
  assert.equal(attempt.status, null);
  assert.equal(receiver.all.length, 1);
  await project.change({ webhook_allow_cidrs: ['127.0.0.0/8'] });
  await receiver.count(2);
});

serverTest('secrets at rest, and the end of the server', { ...PATIENT, drain_time: '5s' }, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const hold = deferred();
  const receiver = await Receiver.open(server, { script: (one) => (one.orderId === 7 ? hold.promise : {}) });
  const secret = `whsec_${Buffer.from('a secret that nobody may read at all').toString('base64')}`;
  const { id } = await project.webhook({ url: receiver.url, secret });
  await project.webhook({ url: receiver.url, preset: 'xsolla', secret: 'PROJECT_SECRET_KEY' });
  const rotated = await project.command(`/webhooks/${id}/rotate`);
  server.secret(rotated.secret);

  await step(t, server, 'no file but the key file tells them', async () => {
    const hidden = [secret, secret.slice(6, 40), 'a secret that nobody', 'PROJECT_SECRET_KEY', rotated.secret, rotated.secret.slice(6)];
    for (const name of await readdir(server.data)) {
      const file = path.join(server.data, name);
      const bytes = await readFile(file);
      for (const text of hidden) assert.ok(!bytes.includes(text), `${name} holds a secret`);
      if (name.endsWith('.key')) assert.equal((await stat(file)).mode & 0o777, 0o600, name);
    }
  });

  await step(t, server, 'SIGTERM: what is in flight ends and is recorded, nothing is sent twice', async () => {
    await project.create('u', { order_id: 7 });
    await receiver.find((one) => one.orderId === 7);
    const stopped = server.stop();
    hold.resolve({ delay: 100 });
    await stopped;
    await server.start();
    const [delivery] = await project.deliveries(7, id);
    assert.deepEqual([delivery.state, delivery.attempt_count], ['delivered', 1]);
    await project.create('u', { order_id: 8 });
    await receiver.find((one) => one.orderId === 8);
    assert.equal(receiver.ofOrder(7).length, 1);
  });
});

serverTest('metrics', PATIENT, async (server) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server, { script: [{ status: 500 }, {}] });
  const { id } = await project.webhook({ url: receiver.url, schedule: [0.05], timeout: 0.1 });
  await project.create('u', { order_id: 1 });
  await receiver.count(2);
  receiver.script = { raw: () => new Promise(() => {}) };
  await project.create('u', { order_id: 2 });
  await until(async () => (await project.deliveries(2))[0].state === 'dead', 'two time-outs');
  assert.equal(await server.metric('webhook_deliveries_total{result="delivered"}'), 1);
  assert.equal(await server.metric('webhook_deliveries_total{result="dead"}'), 1);
  assert.equal(await server.metric('webhook_attempts_total{outcome="ok"}'), 1);
  assert.equal(await server.metric('webhook_attempts_total{outcome="refused"}'), 1);
  assert.equal(await server.metric('webhook_attempts_total{outcome="timeout"}'), 2);
  assert.equal(await server.metric('webhook_in_flight'), 0);
  assert.equal(await server.metric('webhook_first_attempt_seconds_count'), 2);
  assert.equal(await server.metric('webhook_success_seconds_count'), 1);
  await project.request('DELETE', `/webhooks/${id}`);
});
