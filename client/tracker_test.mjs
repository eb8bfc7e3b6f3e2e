// SPDX-License-Identifier: Apache-2.0
// tracker.mjs against a Centrifuge client and a fetch that play scripts. The real client and the real
// server meet in tests/e2e.
import assert from 'node:assert/strict';
import test from 'node:test';

import { trackOrder } from './tracker.mjs';

// A client whose script runs once it is connected: emit(event, context), and what history answers.
function fakeCentrifuge(script, history = async () => ({ publications: [] })) {
  return class FakeCentrifuge {
    static last;
    handlers = {};
    disconnects = 0;
    constructor(url, options) {
      Object.assign(this, { url, options });
      FakeCentrifuge.last = this;
    }
    on(event, handler) {
      this.handlers[event] = handler;
    }
    emit(event, context) {
      this.handlers[event]?.(context);
    }
    connect() {
      this.emit('connecting', { code: 0, reason: 'connect called' });
      queueMicrotask(() => script(this));
    }
    disconnect() {
      this.disconnects++;
      this.emit('disconnected', { code: 0, reason: 'disconnect called' });
    }
    history(channel, options) {
      this.asked = { channel, options };
      return history();
    }
  };
}

// Each answer: [code, body, etag], or an Error to throw. The last repeats.
function fakeFetch(answers) {
  const requests = [];
  const fetch = async (address, { headers }) => {
    requests.push({ address, ...headers });
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    if (answer instanceof Error) throw answer;
    const [status, body, etag] = answer;
    return { status, headers: new Map([['etag', etag]]), json: async () => JSON.parse(body) };
  };
  return { fetch, requests };
}

const pub = (status, order_id = 1) => ({ data: { order_id, status } });
const order = (status) => JSON.stringify({ order_id: 1, status });

async function run(more) {
  const told = [];
  const reasons = [];
  const result = trackOrder({
    url: 'http://server:1/',
    projectId: 77640,
    orderId: 1,
    token: 'T',
    pollInterval: 1,
    onStatus: (status, source) => told.push(`${status} ${source}`),
    onFallback: (reason) => reasons.push(reason),
    ...more,
  });
  const final = await result.catch((error) => error);
  return { final, told: told.join(', '), reasons };
}

test('publications and history to the end', async () => {
  const Centrifuge = fakeCentrifuge(
    (client) => {
      client.emit('subscribed', { channel: 'u#1' });
      setTimeout(() => ['paid', 'new', 'paid', 'expired'].forEach((s) => client.emit('publication', pub(s))), 1);
      setTimeout(() => client.emit('publication', pub('canceled', 2)), 1);
      setTimeout(() => client.emit('publication', pub('done')), 2);
    },
    async () => ({ publications: [pub('new'), pub('done', 3)] }),
  );
  const { final, told, reasons } = await run({ Centrifuge, userExternalId: 'u1' });
  assert.equal(final, 'done');
  assert.equal(told, 'new websocket, paid websocket, done websocket');
  assert.deepEqual(reasons, []);
  const { url, options, asked, disconnects } = Centrifuge.last;
  assert.equal(url, 'ws://server:1/connection/websocket');
  assert.deepEqual(options.data, { auth: 'T', project_id: 77640, user_external_id: 'u1' });
  assert.deepEqual(asked, { channel: 'u#1', options: { limit: -1, since: { offset: 0 }, reverse: false } });
  assert.equal(disconnects, 1);
});

for (const [name, script, reason, history] of [
  ['the lifetime is over', (c) => c.emit('connecting', { code: 3005, reason: 'expired' }), '3005 expired'],
  ['the server refuses', (c) => c.emit('disconnected', { code: 3500, reason: 'invalid token' }), '3500 invalid token'],
  ['it cannot connect', (c) => c.emit('error', { error: { message: 'transport closed' } }), 'transport closed'],
  ['nothing is heard', () => {}, 'the lifetime of the socket is over'],
  ['there is no history', (c) => c.emit('subscribed', { channel: 'u' }), 'no history: no', async () => { throw new Error('no'); }],
]) {
  test(`polls when ${name}`, async () => {
    const Centrifuge = fakeCentrifuge(script, history);
    const { fetch, requests } = fakeFetch([[200, order('paid')], [200, order('canceled')]]);
    const { final, told, reasons } = await run({ Centrifuge, fetch, socketLifetime: 5 });
    assert.equal(final, 'canceled');
    assert.equal(told, 'paid poll, canceled poll');
    assert.deepEqual(reasons, [reason]);
    assert.equal(Centrifuge.last.disconnects, 1);
    assert.deepEqual(requests[0], { address: 'http://server:1/api/v2/project/77640/order/1', Authorization: 'Bearer T' });
  });
}

test('polls when there is no WebSocket', async () => {
  const Centrifuge = fakeCentrifuge(() => {});
  Centrifuge.prototype.connect = () => {
    throw new Error('WebSocket constructor not found');
  };
  const { final, reasons } = await run({ Centrifuge, fetch: fakeFetch([[200, order('done')]]).fetch });
  assert.equal(final, 'done');
  assert.deepEqual(reasons, ['WebSocket constructor not found']);
  assert.equal(Centrifuge.last.disconnects, 1);
});

test('polls through failures and with entity tags', async () => {
  const { fetch, requests } = fakeFetch([
    new Error('no network'), [503, '{}'], [429, 'x'], [200, 'broken', '"0"'], [200, order('new'), '"1"'],
    [304, ''], [200, order('done'), '"2"'],
  ]);
  const { final, told } = await run({ fetch });
  assert.equal(final, 'done');
  assert.equal(told, 'new poll, done poll');
  assert.equal(requests.map((r) => r['If-None-Match'] ?? '-').join(' '), '- - - - - "1" "1"');
});

test('a refusal ends it with the server\'s words', async () => {
  const { fetch } = fakeFetch([[404, '{"errorMessage":"[0401-9001]: Order not found"}']]);
  const { final } = await run({ fetch });
  assert.equal(final.message, '[0401-9001]: Order not found');
  assert.equal(final.status, 404);
  const wordless = await run({ fetch: fakeFetch([[401, 'x']]).fetch });
  assert.equal(wordless.final.message, 'the server answered with HTTP status 401');
});

test('gives up when told so', async () => {
  for (const more of [{ Centrifuge: fakeCentrifuge(() => {}) }, { fetch: fakeFetch([[200, order('new')]]).fetch }]) {
    const giving = new AbortController();
    setTimeout(() => giving.abort(new Error('enough')), 5);
    const { final } = await run({ ...more, signal: giving.signal });
    assert.equal(final.message, 'enough');
  }
});
