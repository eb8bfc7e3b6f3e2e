// SPDX-License-Identifier: Apache-2.0
// The trackers of the store SDKs, which nobody can change any more: hand-written frames in their exact
// shape, and Get order read as each of them reads it.
import assert from 'node:assert/strict';
import { Project } from './lib/api.mjs';
import { within } from './lib/events.mjs';
import { frame, OPCODE, RawWebSocket } from './lib/raw.mjs';
import { decodeAndroid, decodeIos, decodeIosError, decodeUnity, decodeUnreal } from './lib/sdk_orders.mjs';
import { serverTest, step } from './lib/server.mjs';
import { CocosTracker } from './lib/trackers.mjs';
import { begin, engines, isMobile } from './lib/engines.mjs';

for (const engine of Object.keys(engines)) {
  serverTest(`${engine}: an order that goes well`, {}, async (server) => {
    const project = await Project.create(server);
    const { order_id, tracker, user } = await begin(server, project, engine);
    tracker.tick(20);
    const second = await project.create(user);
    await project.set(order_id, 'paid');
    if (engine === 'Unity') await tracker.isAlive();
    await tracker.until(() => tracker.unsolicited >= 10, 'empty messages that nobody asked for');
    await project.set(second.order_id, 'canceled');
    await project.set(order_id, 'done');
    const result = await tracker.result();
    assert.equal(result.outcome, 'success', result.error);
    assert.equal(result.via, 'socket');
    assert.deepEqual(tracker.statuses, ['new', 'paid', 'done']);
    assert.equal(tracker.pings, 0, 'an empty message is not answered');
    assert.equal(tracker.reply.ping, 25);
    assert.equal(tracker.reply.pong, true);
    if (engine === 'Unity') assert.equal(result.order.status, 'done');
  });

  serverTest(`${engine}: an order that is canceled`, {}, async (server) => {
    const project = await Project.create(server);
    const { order_id, tracker } = await begin(server, project, engine);
    await project.set(order_id, { status: 'canceled', cancel_reason: 'expired' });
    const result = await tracker.result();
    assert.equal(result.outcome, { Cocos: 'error', Unity: 'removed', Unreal: 'stopped' }[engine] ?? 'canceled');
    assert.equal(result.via, 'socket');
    assert.deepEqual(tracker.statuses, ['new', 'canceled']);
  });

  serverTest(`${engine}: orders created while the connection stands`, {}, async (server) => {
    const project = await Project.create(server);
    const { order_id, tracker, user } = await begin(server, project, engine);
    const others = [];
    for (let i = 0; i < 3; i++) {
      const { order_id: id, token } = await project.create(user);
      others.push(tracker.also(id, engine === 'Unreal' ? token : undefined));
    }
    for (const other of others) await project.set(other.orderId, 'paid');
    await project.set(order_id, 'done');
    assert.equal((await tracker.result()).via, 'socket');
    for (const other of others) {
      await project.set(other.orderId, 'done');
      const { outcome, via } = await other.result();
      assert.deepEqual([outcome, via], ['success', 'socket']);
      assert.deepEqual(other.statuses.filter((status) => status !== 'new'), ['paid', 'done']);
    }
    assert.equal(await server.metric('connects_total{result="ok"}'), 1);
  });

  serverTest(`${engine}: a connection whose life ends`, { 'realtime.max_lifetime': '1s' }, async (server) => {
    const project = await Project.create(server);
    for (const last of ['done', 'canceled']) {
      const { order_id, tracker } = await begin(server, project, engine);
      await tracker.until(() => tracker.closed, 'the end of the connection');
      assert.deepEqual(tracker.closed, { code: 3005, reason: 'connection expired' });
      await project.set(order_id, 'paid');
      await tracker.sees('paid');
      await project.set(order_id, last);
      const result = await tracker.result();
      assert.equal(result.via, isMobile(engine) ? 'socket' : 'polling');
      if (last === 'done') assert.equal(result.outcome, 'success', result.error);
      if (isMobile(engine)) assert.deepEqual(tracker.statuses, ['new', 'paid', last], 'recovered, nothing twice');
    }
  });

  serverTest(`${engine}: a server that goes away, and polling`, {}, async (server) => {
    const project = await Project.create(server);
    const { order_id, tracker } = await begin(server, project, engine);
    tracker.poll = async () => tracker.finish({ outcome: 'polls' });
    await server.stop();
    assert.equal((await tracker.result()).outcome, 'polls');
    assert.deepEqual(tracker.closed, { code: 3001, reason: 'shutdown' });
    await server.start();
    assert.equal((await project.getOrder(order_id, tracker.token)).json.status, 'new');
  });

  serverTest(`${engine}: a token that is refused`, {}, async (server) => {
    const project = await Project.create(server);
    const { order_id } = await project.create('u1');
    const token = project.token('u1');
    const well = new engines[engine](server, { project, orderId: order_id, auth: 'not-a-token', token });
    await well.start();
    await well.sees('new');
    assert.deepEqual(well.closed, { code: isMobile(engine) ? 3499 : 3500, reason: 'invalid token' });
    await project.set(order_id, 'done');
    assert.equal((await well.result()).outcome, 'success');

    const ill = new engines[engine](server, { project, orderId: order_id, auth: 'not-a-token' });
    await ill.start();
    if (engine === 'iOS') {
      await ill.until(() => ill.polling, 'polling, which never ends');
      ill.finish({ outcome: 'enough' });
      return;
    }
    const result = await ill.result();
    assert.equal(result.outcome, 'error');
    assert.equal(result.statusCode, 401);
    assert.equal(result.errorCode, 1020);
    assert.match(result.errorMessage, /^\[0401-1020\]: \S/);
    if (engine === 'Unity') assert.equal(result.kind, 'InvalidToken');
  });
}

serverTest('Unreal with the player\'s JWT, Cocos with a payment token', {}, async (server) => {
  const project = await Project.create(server);
  for (const engine of ['Unreal', 'Cocos']) {
    const { order_id, token } = await project.create('u1');
    const auth = engine === 'Unreal' ? project.token('u1') : token;
    const tracker = await new engines[engine](server, { project, orderId: order_id, auth }).start();
    await project.set(order_id, 'done');
    assert.equal((await tracker.result()).outcome, 'success');
  }
});

serverTest('pings are two bytes and are answered', { 'realtime.ping_interval': '1s', 'realtime.pong_timeout': '400ms' }, async (server) => {
  const project = await Project.create(server);
  const trackers = [];
  for (const engine of Object.keys(engines)) trackers.push((await begin(server, project, engine)).tracker);
  trackers[0].tick(300);
  for (const tracker of trackers) {
    await tracker.until(() => tracker.pings >= 3, 'three pings');
    assert.equal(tracker.closed, undefined);
    assert.equal(tracker.reply.ping, 1);
    tracker.finish({ outcome: 'enough' });
  }

  const { order_id, token } = await project.create('silent');
  const silent = await RawWebSocket.open(server, { answerPings: false });
  await silent.connect({ auth: token, project_id: project.id });
  assert.equal((await silent.publication()).data.order_id, order_id);
  assert.equal(await silent.text('the ping'), '{}');
  assert.deepEqual(await silent.closed(), { code: 3012, reason: 'no pong' });

  const { token: lazyToken } = await project.create('lazy');
  const lazy = await RawWebSocket.open(server, { answerPings: false });
  await lazy.connect({ auth: lazyToken, project_id: project.id });
  await lazy.publication();
  for (let i = 0; i < 2; i++) {
    assert.equal(await lazy.text('the ping'), '{}');
    lazy.send('{"id":7,"rpc":{}}');
    assert.equal((await lazy.next()).error.code, 108);
    if (i === 0) lazy.send('{}');
  }
  assert.deepEqual(await lazy.closed(), { code: 3012, reason: 'no pong' });
  assert.equal(lazy.pings, 2, 'another message is no pong');
});

serverTest('a connection that never sends connect is stale', { 'realtime.connect_timeout': '300ms' }, async (server) => {
  const unreal = await RawWebSocket.open(server, { headers: { 'Sec-WebSocket-Protocol': 'wss' } });
  assert.deepEqual(await unreal.closed(), { code: 3502, reason: 'stale' });
  const pinging = await RawWebSocket.open(server);
  const pings = setInterval(() => pinging.isOpen && pinging.write(frame('', { opcode: OPCODE.ping })), 50);
  try {
    assert.deepEqual(await pinging.closed(), { code: 3502, reason: 'stale' });
  } finally {
    clearInterval(pings);
  }
  assert.ok(pinging.pongs.size > 0);
  assert.equal(await server.metric('closes_total{reason="stale"}'), 2);
});

serverTest('a Cocos game in whose frame the id comes out as 0 polls', {}, async (server) => {
  const project = await Project.create(server);
  const { order_id } = await project.create('u1');
  const tracker = new CocosTracker(server, { project, orderId: order_id, auth: project.token('u1') });
  tracker.makeId = () => 0;
  await tracker.start();
  await project.set(order_id, 'done');
  const result = await tracker.result();
  assert.equal(result.outcome, 'success');
  assert.equal(result.via, 'polling');
});

serverTest('Get order as each SDK reads it', {}, async (server, t) => {
  const project = await Project.create(server);
  const token = project.token('u1');
  const price = { amount: '30.00', amount_without_discount: '40.00', currency: 'USD' };
  const item = { sku: 'com.xsolla.item_1', quantity: 2, is_free: false, price };
  const contents = {
    'no content': [undefined, { price: null, virtual_price: null, is_free: false, items: [] }],
    'real money': [
      { price, is_free: false, items: [item] },
      { price, virtual_price: null, is_free: false, items: [item] },
    ],
    'numbers for amounts': [
      { price: { amount: 30.5, currency: 'USD' }, items: [{ sku: 'a' }] },
      {
        price: { amount: '30.5', amount_without_discount: '30.5', currency: 'USD' },
        virtual_price: null,
        is_free: false,
        items: [{ sku: 'a', quantity: 1, is_free: false, price: null }],
      },
    ],
    'virtual currency': [{ virtual_price: { amount: '100', currency: 'gold' }, is_free: false, items: [item] }],
    'free': [{ is_free: true, items: [{ sku: 'gift', quantity: 1, is_free: true }] }],
    'a sku from hell': [{ items: [{ sku: 'a"b\\cä😀</script>', quantity: 1, is_free: false }] }],
  };
  for (const [name, [content, wanted]] of Object.entries(contents)) {
    await step(t, server, name, async () => {
      const { order_id } = await project.create('u1', content && { content });
      for (const status of ['new', 'paid', 'done', 'canceled']) {
        if (status !== 'new') await project.set(order_id, status);
        const { text, status: code, headers } = await project.getOrder(order_id, token);
        assert.equal(code, 200);
        assert.match(headers.get('content-type'), /^application\/json/);
        const strict = decodeIos(text);
        assert.deepEqual(Object.keys(strict), ['order_id', 'status', 'content']);
        assert.deepEqual(
          { order_id: strict.order_id, status: strict.status },
          { order_id, status },
        );
        if (wanted) assert.deepEqual(strict.content, wanted);
        if (content?.items) assert.equal(strict.content.items[0].sku, content.items[0].sku);
        if (content?.virtual_price) {
          assert.equal(strict.content.virtual_price.amount, 100);
          assert.equal(strict.content.virtual_price.currency, 'gold');
        }
        assert.deepEqual(decodeAndroid(text), strict);
        assert.deepEqual(decodeUnity(text).order, strict);
        assert.deepEqual(decodeUnreal(200, text).order, strict);
      }
    });
  }
});

serverTest('errors of Get order as each SDK reads them', {}, async (server, t) => {
  const project = await Project.create(server);
  const { order_id } = await project.create('u1');
  const token = project.token('u1');
  const cases = {
    'an order that is not there': [404, 9001, () => project.getOrder(order_id + 1, token)],
    'order 0': [404, 9001, () => project.getOrder(0, token)],
    'an order beyond int32': [404, 9001, () => project.getOrder(2 ** 31, token)],
    'an order that is no number': [404, 9001, () => project.getOrder('one', token)],
    'somebody else\'s order': [404, 9001, () => project.getOrder(order_id, project.token('u2'))],
    'no token': [401, 1020, () => project.getOrder(order_id, undefined)],
    'a wrong token': [401, 1020, () => project.getOrder(order_id, 'wrong')],
    'an expired token': [401, 1021, () => project.getOrder(order_id, project.token('u1', { exp: 1 }))],
  };
  for (const [name, [status, code, ask]] of Object.entries(cases)) {
    await step(t, server, name, async () => {
      const { status: http, text, headers } = await ask();
      assert.equal(http, status);
      assert.match(headers.get('content-type'), /^application\/json/);
      const error = decodeIosError(text);
      assert.equal(error.statusCode, status);
      assert.equal(error.errorCode, code);
      if (code === 9001) assert.equal(error.errorMessage, '[0401-9001]: Order not found');
      assert.equal(decodeUnity(text).error.kind, status === 404 ? 'OrderNotFound' : 'InvalidToken');
      assert.equal(decodeUnreal(http, text).error.errorCode, code);
    });
  }
});

serverTest('Get order that waits', {}, async (server) => {
  const project = await Project.create(server);
  const { order_id } = await project.create('u1');
  const token = project.token('u1');
  const first = await project.getOrder(order_id, token);
  const headers = { 'if-none-match': first.headers.get('etag') };
  const begun = Date.now();
  const waiting = project.getOrder(order_id, token, { headers, query: '?wait=25&engine=unity' });
  const other = await project.create('u1');
  await project.set(other.order_id, 'paid');
  await project.set(order_id, 'paid');
  const answer = await within(waiting, 'the held answer');
  assert.equal(answer.json.status, 'paid');
  assert.ok(Date.now() - begun < 20_000);
  const unchanged = await project.getOrder(order_id, token, {
    headers: { 'if-none-match': answer.headers.get('etag') },
    query: '?wait=1',
  });
  assert.equal(unchanged.status, 304);
  const stale = await project.getOrder(order_id, token, { headers, query: '?wait=25' });
  assert.equal(stale.json.status, 'paid');
});
