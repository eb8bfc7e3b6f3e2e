// SPDX-License-Identifier: Apache-2.0
// Which pages may ask: a project's allowed_origins, on every way in for buyers. What a browser makes of it is in
// browser.test.mjs.
import assert from 'node:assert/strict';
import { call, command, Project } from './lib/api.mjs';
import { engines, prepare } from './lib/engines.mjs';
import { RawWebSocket } from './lib/raw.mjs';
import { serverTest, step } from './lib/server.mjs';

const SHOP = 'https://www.shop.example';
const EVIL = 'https://evil.example';
const REFUSED = { code: 3507, reason: 'permission denied' };

async function listing(server, origins = ['https://*.shop.example']) {
  const project = await Project.create(server);
  await project.change({ allowed_origins: origins });
  const { order_id } = await project.create('u1');
  return { project, orderId: order_id, data: { auth: project.token('u1'), project_id: project.id } };
}

const withOrigin = (origin) => (origin === undefined ? {} : { origin });

/** How a connection of this origin by WebSocket ends, or "connected". */
async function connects(server, data, origin) {
  const socket = await RawWebSocket.open(server, { headers: withOrigin(origin) });
  socket.send(JSON.stringify({ connect: { data }, id: 1 }));
  const first = await socket.next('the answer').catch(() => null);
  if (first?.connect) {
    socket.destroy();
    return 'connected';
  }
  return socket.closed();
}

/**
 * The first message of a stream, or the code with which it ends. Any page can read that: SDKs that could not would
 * try again for ever; one that is refused reads nothing else.
 */
async function streams(server, path, data, origin, oneWay) {
  const message = oneWay ? { data } : { connect: { data }, id: 1 };
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: withOrigin(origin),
    body: JSON.stringify(message),
  });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('access-control-allow-origin'), origin === undefined ? null : '*');
  assert.match(response.headers.get('vary'), /Origin/);
  let text = '';
  for await (const chunk of response.body) {
    text += Buffer.from(chunk);
    if (text.includes('"ping":25')) return 'connected';
  }
  const [, alone, code] = /^(?:data: )?(?:{"push":)?({"disconnect":{"code":(\d+),"reason":"[a-z ]+"}})}?\n+$/.exec(text) ?? [];
  assert.ok(alone, text);
  return Number(code);
}

serverTest('Get order and its preflight', {}, async (server) => {
  const { project, orderId, data } = await listing(server);
  const get = (origin) => project.getOrder(orderId, data.auth, { headers: withOrigin(origin) });
  const preflight = (origin) =>
    call(`${server.url}/api/v2/project/${project.id}/order/${orderId}`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' },
    });
  for (const ask of [get, preflight]) {
    const good = await ask(SHOP);
    assert.ok(good.status === 200 || good.status === 204);
    assert.equal(good.headers.get('access-control-allow-origin'), SHOP);
    assert.match(good.headers.get('vary'), /Origin/);
    for (const origin of [EVIL, 'null', 'https://shop.example', 'http://www.shop.example', `${SHOP}.evil.example`]) {
      const { status, headers, json } = await ask(origin);
      assert.equal(status, 403, origin);
      assert.deepEqual([json.statusCode, json.errorCode], [403, 1031]);
      assert.equal(headers.get('access-control-allow-origin'), null);
      assert.match(headers.get('vary'), /Origin/);
    }
  }
  const native = await get();
  assert.equal(native.status, 200);
  assert.equal(native.headers.get('access-control-allow-origin'), null);

  await project.change({ allowed_origins: null });
  assert.equal((await get(EVIL)).headers.get('access-control-allow-origin'), '*');
  const nowhere = await call(`${server.url}/api/v2/project/1/order/1`, { headers: { origin: EVIL } });
  assert.equal(nowhere.status, 401);
});

serverTest('live, over each transport', {}, async (server, t) => {
  const { project, data } = await listing(server);
  await step(t, server, 'websocket', async () => {
    assert.equal(await connects(server, data), 'connected');
    assert.equal(await connects(server, data, SHOP), 'connected');
    assert.equal(await connects(server, data, `ws://127.0.0.1:${server.port}`), 'connected');
    for (const origin of [EVIL, 'null', 'https://shop.example']) assert.deepEqual(await connects(server, data, origin), REFUSED);
  });
  for (const name of ['http_stream', 'sse', 'uni_http_stream', 'uni_sse']) {
    await step(t, server, name, async () => {
      const ask = (origin) => streams(server, `/connection/${name}`, data, origin, name.startsWith('uni_'));
      assert.equal(await ask(undefined), 'connected');
      assert.equal(await ask(SHOP), 'connected');
      assert.equal(await ask(EVIL), 3507);
    });
  }
  await step(t, server, 'the older socket', async () => {
    await project.change({ legacy_socket: true });
    const { order_id } = await project.create('u1');
    const path = `/sub/order/status?order_id=${order_id}&project_id=${project.id}`;
    const open = async (origin) =>
      (await RawWebSocket.open(server, { path, headers: withOrigin(origin), mayFail: true })).handshake.status;
    assert.deepEqual([await open(), await open(SHOP), await open(EVIL)], [101, 101, 403]);
  });
  await step(t, server, 'an empty list, and null in it', async () => {
    await project.change({ allowed_origins: [] });
    assert.equal(await connects(server, data), 'connected');
    assert.deepEqual(await connects(server, data, SHOP), REFUSED);
    await project.change({ allowed_origins: ['null'] });
    assert.equal(await connects(server, data, 'null'), 'connected');
  });
});

/* A list must not shut the games out that are no browsers, whatever their libraries send. */
serverTest('the store SDKs of a project with a list', {}, async (server, t) => {
  const { project } = await listing(server, ['https://game.example']);
  for (const engine of Object.keys(engines)) {
    await step(t, server, engine, async () => {
      const { order_id, tracker } = await prepare(server, project, engine);
      await tracker.start();
      await tracker.sees('new');
      await project.set(order_id, 'done');
      const { outcome, via } = await tracker.result();
      assert.deepEqual([outcome, via], ['success', 'socket']);
    });
  }
  await step(t, server, 'a Cocos game on a page that is not allowed is told so by Get order', async () => {
    await project.change({ allowed_origins: ['https://another.example'] });
    const { tracker } = await prepare(server, project, 'Cocos');
    tracker.preflight = async () => {};
    tracker.checkAnswer = () => {};
    await tracker.start();
    const { outcome, via, statusCode } = await tracker.result();
    assert.deepEqual([outcome, via, statusCode], ['error', 'polling', 403]);
    assert.deepEqual(tracker.closed, REFUSED);
  });
});

serverTest('set from the command line', {}, async (server) => {
  const project = await Project.create(server);
  const id = String(project.id);
  await command(server, 'project', 'set', id, '--allow-origin', 'https://a.example', '--allow-origin', 'null');
  const shown = JSON.parse(await command(server, 'project', 'show', id, '--json'));
  assert.deepEqual(shown.settings.allowed_origins, ['https://a.example', 'null']);
  await assert.rejects(command(server, 'project', 'set', id, '--allow-origin', 'https://a.example/'), /--allow-origin\[0\]/);
  await command(server, 'project', 'set', id, '--json-settings', '{"allowed_origins":null}');
  assert.equal(JSON.parse(await command(server, 'project', 'show', id, '--json')).settings.allowed_origins, null);
});
