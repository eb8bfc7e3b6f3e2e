// SPDX-License-Identifier: Apache-2.0
// The official JavaScript client over every transport it falls back to, in both of its encodings; and the
// one-way addresses with nothing but HTTP.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { Readable } from 'node:stream';
import WebSocket from 'ws';
import { call, Project } from './lib/api.mjs';
import { Inbox, until } from './lib/events.mjs';
import { events, EventSource } from './lib/eventsource.mjs';
import { Page } from './lib/page.mjs';
import { Proxy } from './lib/proxy.mjs';
import { serverTest, step } from './lib/server.mjs';

const KINDS = [
  { name: 'websocket in JSON', transport: 'websocket' },
  { name: 'websocket in Protobuf', transport: 'websocket', protobuf: true },
  { name: 'http_stream in JSON', transport: 'http_stream' },
  { name: 'http_stream in Protobuf', transport: 'http_stream', protobuf: true },
  { name: 'sse', transport: 'sse' },
];

const PINGS = { 'realtime.ping_interval': '1s', 'realtime.pong_timeout': '500ms' };

const data = (project, user, auth = project.token(user)) => ({
  user_external_id: user,
  auth,
  project_id: project.id,
});
const plain = ({ order_id, status, offset }) => ({ order_id, status, offset });

function endpoint(base, transport) {
  const url = transport === 'websocket' ? base.replace('http', 'ws') : base;
  return { transport, endpoint: `${url}/connection/${transport}` };
}

/** The page over the transports of a kind, or those given; `base` is the server or a proxy. */
function open(server, kind, connectData, { base = server.url, transports, ...options } = {}) {
  return new Page(server, connectData, {
    url: transports ?? [endpoint(base, kind.transport)],
    protobuf: kind.protobuf,
    emulationEndpoint: `${base}/emulation`,
    eventsource: EventSource,
    minReconnectDelay: 1,
    maxReconnectDelay: 20,
    ...options,
  });
}

/** `fetch` that counts the answers of /emulation by their status. */
function counting(counts) {
  return async (url, options) => {
    const response = await fetch(url, options);
    if (String(url).endsWith('/emulation')) counts[response.status] = (counts[response.status] ?? 0) + 1;
    return response;
  };
}

/** WebSocket that counts the pings of the protocol. */
function countingWebSocket(counts) {
  return class extends WebSocket {
    constructor(...parameters) {
      super(...parameters);
      this.on('message', (message) => {
        if (['{}', '\0'].includes(Buffer.from(message).toString())) counts.pings = (counts.pings ?? 0) + 1;
      });
    }
  };
}

for (const kind of KINDS) {
  const { transport } = kind;

  serverTest(`${kind.name}: from new to done, commands, pings`, PINGS, async (server) => {
    const project = await Project.create(server);
    const { order_id } = await project.create('u1');
    const counts = {};
    const page = open(server, kind, data(project, 'u1'), {
      fetch: counting(counts),
      websocket: countingWebSocket(counts),
    });
    assert.deepEqual(await page.histories.next('the history'), [{ order_id, status: 'new', offset: 1 }]);
    assert.deepEqual(plain(await page.statuses.next('the latest')), { order_id, status: 'new', offset: undefined });
    assert.equal((await page.connected.next()).transport, transport);
    await project.set(order_id, 'paid');
    await project.set(order_id, 'done');
    assert.deepEqual(plain(await page.statuses.next('paid')), { order_id, status: 'paid', offset: 2 });
    assert.deepEqual(plain(await page.statuses.next('done')), { order_id, status: 'done', offset: 3 });
    await assert.rejects(page.client.rpc('method', kind.protobuf ? new Uint8Array() : {}), { code: 108 });

    const channel = `orders:${project.id}#u1`;
    const { publications, offset } = await page.client.history(channel, { limit: 1, since: { offset: 1 } });
    assert.equal(publications[0].offset, 2);
    assert.equal(offset, 3);
    await assert.rejects(page.client.history('orders:1#another', { limit: 1 }), { code: 103 });

    // The third ping comes only when the first was answered.
    const answered = () => (transport === 'websocket' ? counts.pings : counts[204]);
    const before = answered() ?? 0;
    await until(() => answered() >= before + 3, 'three pings');
    if (transport !== 'websocket') assert.deepEqual(Object.keys(counts), ['204']);
    assert.equal(page.connecting.size, 1, 'the connection has lasted');
    assert.equal(await server.metric('http_streams'), transport === 'websocket' ? 0 : 1);
    page.client.disconnect();
    await page.disconnected.next();
    await until(async () => (await server.metric('sessions')) === 0, 'the session to end');
    assert.equal(await server.metric('http_streams'), 0);
    assert.deepEqual(page.errors, []);
  });

  serverTest(`${kind.name}: nothing is lost or doubled when the network is cut`, {}, async (server) => {
    const project = await Project.create(server);
    const proxy = await Proxy.open(server);
    const page = open(server, kind, data(project, 'u1'), { base: proxy.url });
    await page.subscribed.next();
    const statuses = ['new', 'paid', 'done'];
    const total = 60;
    for (let i = 0; i < total; i++) {
      const order = { order_id: Math.floor(i / 3) + 1, user_external_id: 'u1', status: statuses[i % 3] };
      await project.batch([order]);
      if (i % 9 === 4) proxy.cut();
    }
    for (let i = 0; i < total; i++) {
      const seen = plain(await page.statuses.next(`publication ${i + 1}`));
      assert.deepEqual(seen, { order_id: Math.floor(i / 3) + 1, status: statuses[i % 3], offset: i + 1 });
    }
    const reconnects = page.subscribed.drain();
    assert.ok(reconnects.length > 0, 'it has reconnected');
    for (const ctx of reconnects) assert.equal(ctx.wasRecovering && ctx.recovered, true);
    assert.equal(page.statuses.size, 0);
  });

  serverTest(`${kind.name}: the end of the server, and the next one`, {}, async (server) => {
    const project = await Project.create(server);
    const proxy = await Proxy.open(server);
    const page = open(server, kind, data(project, 'u1'), { base: proxy.url });
    await page.histories.next('the answer to all that was asked');
    await page.subscribed.next();
    page.connecting.drain();
    await server.stop();
    const ended = await page.connecting.next('the close');
    assert.deepEqual([ended.code, ended.reason], [3001, 'shutdown']);
    await server.start();
    const { order_id } = await project.create('u1');
    assert.deepEqual(plain(await page.statuses.next()), { order_id, status: 'new', offset: 1 });
    assert.equal((await page.subscribed.next()).recovered, true);
  });

  serverTest(`${kind.name}: the end of a life, and a refusal`, { 'realtime.max_lifetime': '1s' }, async (server, t) => {
    const project = await Project.create(server);
    await step(t, server, '3005', async () => {
      const page = open(server, kind, data(project, 'u1'));
      await page.connected.next();
      page.connecting.drain();
      const ended = await page.connecting.next('the end of its life');
      assert.deepEqual([ended.code, ended.reason], [3005, 'connection expired']);
      page.client.disconnect();
    });
    await step(t, server, 'a wrong token', async () => {
      const page = open(server, kind, data(project, 'u2', project.token('u1')));
      if (kind.protobuf) {
        const refused = async () => (await server.metric('connects_total{result="refused"}')) >= 2;
        await until(refused, 'the client to try again');
        assert.equal(page.client.state, 'connecting');
        page.client.disconnect();
      }
      const { code, reason } = await page.disconnected.next('the refusal');
      if (!kind.protobuf) assert.deepEqual([code, reason], [3500, 'invalid token']);
    });
  });
}

serverTest('from a WebSocket that does not open to http_stream, and to sse', {}, async (server) => {
  const project = await Project.create(server);
  const nowhere = { transport: 'websocket', endpoint: `${server.url.replace('http', 'ws')}/connection/nowhere` };
  const gone = { transport: 'http_stream', endpoint: `${server.url}/connection/nowhere` };
  for (const [transports, expected] of [
    [[nowhere, endpoint(server.url, 'http_stream')], 'http_stream'],
    [[nowhere, gone, endpoint(server.url, 'sse')], 'sse'],
  ]) {
    const page = open(server, KINDS[0], data(project, 'u1'), { transports });
    assert.equal((await page.connected.next()).transport, expected);
    page.client.disconnect();
  }
});

serverTest('what the sessions of an earlier server are told', {}, async (server) => {
  const project = await Project.create(server);
  const body = { session: '0-0000000000000000000000', node: 'another', data: '{}' };
  const post = (change, path = '/emulation') => call(server.url + path, { method: 'POST', body: { ...body, ...change } });
  assert.equal((await post()).status, 404);
  const response = await fetch(`${server.url}/connection/http_stream`, {
    method: 'POST',
    body: JSON.stringify({ id: 1, connect: { data: data(project, 'u1') } }),
  });
  const reader = response.body.getReader();
  const { connect } = JSON.parse(Buffer.from((await reader.read()).value));
  const { session, node } = connect;
  assert.match(session, /^[01]-[0-9A-Za-z]{22}$/);
  assert.equal((await post({ node })).status, 204);
  const start = Number(session[0]);
  assert.equal((await post({ node, session: `${1 - start}${session.slice(1)}` })).status, 204);
  assert.equal((await call(`${server.url}/emulation`, { method: 'POST', body: '[]' })).status, 400);
  assert.equal((await call(`${server.url}/emulation`, { method: 'POST', body: 'x'.repeat(70_000) })).status, 413);
  // Connections go to both workers, and the session is on one.
  for (let id = 2; id < 12; id++) {
    const command = { session, node, data: JSON.stringify({ id, presence: { channel: 'c' } }) };
    const answer = await call(`${server.url}/emulation`, {
      method: 'POST',
      body: command,
      headers: { connection: 'close' },
    });
    assert.equal(answer.status, 204);
    const reply = JSON.parse(Buffer.from((await reader.read()).value));
    assert.deepEqual(reply, { id, error: { code: 108, message: 'not available' } });
  }
  await reader.cancel();
});

serverTest('browsers of any origin', {}, async (server) => {
  for (const [path, method] of [
    ['/connection/http_stream', 'POST'],
    ['/connection/sse', 'GET'],
    ['/connection/uni_sse', 'GET'],
    ['/connection/uni_http_stream', 'POST'],
    ['/emulation', 'POST'],
  ]) {
    const { status, headers } = await call(server.url + path, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://shop.example',
        'access-control-request-method': method,
        'access-control-request-headers': 'content-type',
      },
    });
    assert.equal(status, 204, path);
    assert.equal(headers.get('access-control-allow-origin'), '*');
    assert.equal(headers.get('access-control-allow-headers'), 'content-type');
    assert.match(headers.get('access-control-allow-methods'), new RegExp(`\\b${method}\\b`));
  }
});

async function* lines(body) {
  let text = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const all = text.split('\n');
    text = all.pop();
    yield* all;
  }
  assert.equal(text, '', 'the last line has an end');
}

/** The output of curl; it is ended with the test. */
function curl(server, ...words) {
  const child = spawn('curl', ['--silent', '--no-buffer', ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  server.own({ destroy: () => child.kill() });
  return Readable.toWeb(child.stdout);
}

const hasCurl = spawnSync('curl', ['--version']).status === 0;

/** Ways to ask: each gives the messages of an answer without an end. */
const ONE_WAY = {
  'uni_sse by GET': async ({ url, request }) =>
    events((await fetch(`${url}/uni_sse?cf_connect=${encodeURIComponent(request)}`)).body),
  'uni_sse by POST': async ({ url, request }) =>
    events((await fetch(`${url}/uni_sse`, { method: 'POST', body: request })).body),
  'uni_http_stream by POST': async ({ url, request }) =>
    lines((await fetch(`${url}/uni_http_stream`, { method: 'POST', body: request })).body),
  'uni_http_stream by GET': async ({ url, request }) =>
    lines((await fetch(`${url}/uni_http_stream?cf_connect=${encodeURIComponent(request)}`)).body),
  'uni_sse with a header': async ({ url, token, project }) =>
    events(
      (await fetch(`${url}/uni_sse?project_id=${project.id}`, { headers: { authorization: `Bearer ${token}` } })).body,
    ),
  ...(hasCurl && {
    'uni_http_stream by curl': async ({ server, url, token, project }) =>
      lines(curl(server, '-H', `Authorization: Bearer ${token}`, `${url}/uni_http_stream?project_id=${project.id}`)),
    'uni_sse by curl': async ({ server, url, request }) =>
      events(curl(server, '--get', '--data-urlencode', `cf_connect=${request}`, `${url}/uni_sse`)),
  }),
};

serverTest('one way: fetch, EventSource and curl', PINGS, async (server, t) => {
  const inboxes = [];
  let id = 1000;
  for (const [name, ask] of Object.entries(ONE_WAY)) {
    await step(t, server, name, async () => {
      const project = await Project.create(server, ++id);
      const { order_id } = await project.create('u1');
      const token = project.token('u1');
      const request = JSON.stringify({ data: data(project, 'u1', token) });
      const messages = await ask({ server, url: `${server.url}/connection`, token, request, project });
      inboxes.push(await watch(messages, project, order_id));
    });
  }
  await server.stop();
  for (const inbox of inboxes) {
    const { disconnect } = await inbox.find((message) => message.disconnect, 'the goodbye');
    assert.deepEqual(disconnect, { code: 3001, reason: 'shutdown' });
  }
});

/** Follows an order to `paid` and through pings; what comes after that. */
async function watch(messages, project, orderId) {
  const inbox = new Inbox();
  (async () => {
    for await (const message of messages) inbox.push(JSON.parse(message));
    throw new Error('the end');
  })().catch((error) => inbox.end(error));
  const { connect } = await inbox.next('the connect push');
  const channel = `orders:${project.id}#u1`;
  assert.match(connect.client, /^\S+$/);
  assert.equal(connect.ping, 1);
  assert.equal(connect.pong, undefined, 'nothing is to be answered');
  assert.equal(connect.session, undefined);
  assert.equal(connect.subs[channel].offset, 1);
  assert.deepEqual(await inbox.next(), { channel, pub: { data: { order_id: orderId, status: 'new' } } });
  await project.set(orderId, 'paid');
  assert.deepEqual(await inbox.find(({ pub }) => pub !== undefined, 'paid'), {
    channel,
    pub: { data: { order_id: orderId, status: 'paid' }, offset: 2 },
  });
  for (let i = 0; i < 2; i++) assert.deepEqual(await inbox.next('a ping'), {});
  return inbox;
}
