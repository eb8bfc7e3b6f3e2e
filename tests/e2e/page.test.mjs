// SPDX-License-Identifier: Apache-2.0
// The order-status page's script against the real server, from its first connection to short polling.
import assert from 'node:assert/strict';
import { Project, command } from './lib/api.mjs';
import { until } from './lib/events.mjs';
import { hs256, now, rs256, rsaKey, unsigned, userClaims } from './lib/jwt.mjs';
import { Page } from './lib/page.mjs';
import { Proxy } from './lib/proxy.mjs';
import { serverTest, step } from './lib/server.mjs';

const data = (project, user, auth = project.token(user)) => ({
  user_external_id: user,
  auth,
  project_id: project.id,
});

/** {order_id, status, offset} without what else there is. */
const plain = ({ order_id, status, offset }) => ({ order_id, status, offset });

serverTest('the page sees an order from new to done', {}, async (server) => {
  const project = await Project.create(server);
  const { order_id } = await project.create('u1');
  const page = new Page(server, data(project, 'u1'));

  assert.deepEqual(await page.histories.next('the history'), [{ order_id, status: 'new', offset: 1 }]);
  const latest = await page.statuses.next('the latest status');
  assert.deepEqual(plain(latest), { order_id, status: 'new', offset: undefined });
  const subscribed = await page.subscribed.next();
  assert.equal(subscribed.channel, latest.channel);
  assert.equal(subscribed.recoverable, true);
  assert.equal(subscribed.positioned, true);
  assert.equal(subscribed.wasRecovering, false);
  assert.match((await page.connected.next()).client, /^\S+$/);

  await project.set(order_id, 'paid');
  assert.deepEqual(plain(await page.statuses.next('paid')), { order_id, status: 'paid', offset: 2 });
  await project.set(order_id, 'paid');
  await project.set(order_id, 'new');
  await project.set(order_id, 'done');
  assert.deepEqual(plain(await page.statuses.next('done')), { order_id, status: 'done', offset: 3 });

  page.client.disconnect();
  await page.disconnected.next();
  assert.equal(page.statuses.size, 0, 'duplicate and stale updates are not seen');
  assert.deepEqual(page.errors, []);
});

serverTest('a canceled order, and a token of the command line', {}, async (server) => {
  const project = await Project.create(server);
  const token = await command(server, 'token', '--project', String(project.id), '--user', 'u1');
  assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const page = new Page(server, data(project, 'u1', server.secret(token.trim())));
  assert.deepEqual(await page.histories.next('the history'), []);

  const { order_id } = await project.create('u1', { order_id: 59614241 });
  assert.equal(order_id, 59614241);
  await project.set(order_id, { status: 'canceled', cancel_reason: 'expired' });
  assert.deepEqual(plain(await page.statuses.next()), { order_id, status: 'new', offset: 1 });
  assert.deepEqual(plain(await page.statuses.next()), { order_id, status: 'canceled', offset: 2 });
});

serverTest('what happens while the network is away is recovered', {}, async (server) => {
  const project = await Project.create(server);
  const proxy = await Proxy.open(server);
  const page = new Page(server, data(project, 'u1'), {
    url: proxy.websocketUrl,
    minReconnectDelay: 1,
    maxReconnectDelay: 20,
  });
  await page.subscribed.next();
  const statuses = ['new', 'paid', 'done'];
  const orders = 20;
  let events = 0;
  for (let order_id = 1; order_id <= orders; order_id++) {
    for (const status of statuses) {
      await project.batch([{ order_id, user_external_id: 'u1', status }]);
      if (++events % 7 === 0) proxy.cut();
    }
  }
  const seen = [];
  while (seen.length < events) seen.push(await page.statuses.next(`publication ${seen.length + 1}`));
  assert.deepEqual(
    seen.map(plain),
    seen.map((_, i) => ({ order_id: Math.floor(i / 3) + 1, status: statuses[i % 3], offset: i + 1 })),
  );
  const reconnects = page.subscribed.drain();
  assert.ok(reconnects.length > 0, 'it has reconnected');
  for (const ctx of reconnects) {
    assert.equal(ctx.wasRecovering, true);
    assert.equal(ctx.recovered, true);
  }
  assert.equal(page.statuses.size, 0);
});

serverTest('a server that is restarted, and one that is killed, are recovered from', {}, async (server) => {
  const project = await Project.create(server);
  const proxy = await Proxy.open(server);
  const page = new Page(server, data(project, 'u1'), {
    url: proxy.websocketUrl,
    minReconnectDelay: 1,
    maxReconnectDelay: 50,
  });
  await page.subscribed.next();
  const { order_id } = await project.create('u1');
  assert.equal((await page.statuses.next()).offset, 1);

  page.connecting.drain();
  await server.stop();
  const shutdown = await page.connecting.next('the close of the server');
  assert.equal(shutdown.code, 3001);
  assert.equal(shutdown.reason, 'shutdown');
  await server.start();
  await project.set(order_id, 'paid');
  assert.deepEqual(plain(await page.statuses.next()), { order_id, status: 'paid', offset: 2 });
  assert.equal((await page.subscribed.next()).recovered, true);

  await server.kill();
  await server.start();
  await project.set(order_id, 'done');
  assert.deepEqual(plain(await page.statuses.next()), { order_id, status: 'done', offset: 3 });
  assert.equal((await page.subscribed.next()).recovered, true);
});

serverTest('when the life of the connection is spent, polling takes over', { 'realtime.max_lifetime': '2s' }, async (server) => {
  const project = await Project.create(server);
  const { order_id } = await project.create('u1');
  const auth = project.token('u1');
  const page = new Page(server, data(project, 'u1', auth));
  assert.equal((await page.statuses.next()).status, 'new');
  await page.connecting.next();
  const ended = await page.connecting.next('the end of the connection');
  assert.equal(ended.code, 3005);
  assert.equal(ended.reason, 'connection expired');
  page.client.disconnect();

  let tag = '';
  for (const status of ['paid', 'done']) {
    await project.set(order_id, status);
    const answer = await until(async () => {
      const polled = await project.getOrder(order_id, auth, { headers: tag && { 'if-none-match': tag } });
      return polled.status === 200 && polled;
    }, `Get order to say ${status}`);
    assert.equal(answer.json.order_id, order_id);
    assert.equal(answer.json.status, status);
    tag = answer.headers.get('etag');
  }
  assert.equal((await project.getOrder(order_id, auth, { headers: { 'if-none-match': tag } })).status, 304);
});

serverTest('a token that ends takes the connection with it', {}, async (server) => {
  const project = await Project.create(server);
  const page = new Page(server, data(project, 'u1', project.token('u1', { exp: now() + 2 })), {
    minReconnectDelay: 1,
    maxReconnectDelay: 20,
  });
  await page.connecting.next();
  assert.equal((await page.connecting.next('the end of the token')).code, 3005);
  assert.equal((await page.disconnected.next('the refusal of the old token')).code, 3500);
});

serverTest('whoever cannot be known is refused for good', {}, async (server, t) => {
  const project = await Project.create(server);
  const other = await Project.create(server, 77641);
  const good = project.token('u1');
  const [head, claims, signature] = good.split('.');
  const { privateKey } = rsaKey('k1');
  const bent = signature[5] === 'A' ? 'B' : 'A';
  const cases = {
    'no token': { project_id: project.id },
    'an empty token': { auth: '', project_id: project.id },
    'a null token': { auth: null, project_id: project.id },
    'no text that looks like a token': { auth: 'nonsense', project_id: project.id },
    'another secret': { auth: hs256(userClaims('u1'), 'another'), project_id: project.id },
    'a bent signature': { auth: `${head}.${claims}.${signature.slice(0, 5)}${bent}${signature.slice(6)}`, project_id: project.id },
    'no signature': { auth: `${head}.${claims}.`, project_id: project.id },
    'alg none': { auth: `${unsigned({ alg: 'none' }, userClaims('u1'))}.`, project_id: project.id },
    'a key that the project does not know': { auth: rs256(userClaims('u1'), privateKey, { kid: 'k1' }), project_id: project.id },
    'an expired token': { auth: project.token('u1', { exp: now() - 60 }), project_id: project.id },
    'a token without end': { auth: project.token('u1', { exp: undefined }), project_id: project.id },
    'a token of later': { auth: project.token('u1', { nbf: now() + 600 }), project_id: project.id },
    'a token without user': { auth: project.token(undefined), project_id: project.id },
    'a token of another project': { auth: other.token('u1'), project_id: project.id },
    'an unknown project': { auth: good, project_id: 1 },
    'no project': { auth: good },
    'another user': { user_external_id: 'u2', auth: good, project_id: project.id },
    'a token of 5 KiB': { auth: project.token('u1', { x: 'x'.repeat(4000) }), project_id: project.id },
  };
  for (const [name, wrong] of Object.entries(cases)) {
    await step(t, server, name, async () => {
      const page = new Page(server, wrong);
      const refusal = await page.disconnected.next('the refusal');
      assert.equal(refusal.code, 3500);
      assert.equal(refusal.reason, 'invalid token');
      assert.equal(page.client.state, 'disconnected');
      assert.equal(page.statuses.size, 0);
    });
  }
});

serverTest('who may come in: every kind of token', {}, async (server, t) => {
  const project = await Project.create(server);
  const plainKey = rsaKey('plain');
  const hexKey = rsaKey('hex', { hex: true });
  const login = '0ad4ee4e-5e9e-4a4c-9ee5-2c9b0d9ce1c0';
  await project.change({
    verifiers: [
      { type: 'jwks', keys: [plainKey.jwk] },
      {
        type: 'jwks',
        keys: [hexKey.jwk],
        require: { iss: 'https://login.xsolla.com', xsolla_login_project_id: login },
      },
      { type: 'hs256', secret: 'the second secret', user_claim: 'user_external_id' },
    ],
  });
  const { order_id, token: paymentToken } = await project.create('u1');
  const loginClaims = { iss: 'https://login.xsolla.com', xsolla_login_project_id: login };
  const cases = {
    'HS256 with the project\'s secret': project.token('u1'),
    'HS256 with a second secret and another claim': hs256(
      { ...userClaims('somebody'), user_external_id: 'u1' },
      'the second secret',
    ),
    'RS256 with a JWKS': rs256(userClaims('u1'), plainKey.privateKey, { kid: 'plain' }),
    'RS256 with keys in hexadecimal digits': rs256(userClaims('u1', loginClaims), hexKey.privateKey, { kid: 'hex' }),
    'the payment token of an order': paymentToken,
  };
  for (const [name, auth] of Object.entries(cases)) {
    server.secret(auth);
    await step(t, server, name, async () => {
      const page = new Page(server, { auth, project_id: project.id });
      const latest = await page.statuses.next('the latest status');
      assert.deepEqual(plain(latest), { order_id, status: 'new', offset: undefined });
      assert.equal((await project.getOrder(order_id, auth)).json.status, 'new');
    });
  }
  const wrong = {
    'RS256 without the claims that are required': rs256(userClaims('u1'), hexKey.privateKey, { kid: 'hex' }),
    'HS256 signed with the public key': hs256(userClaims('u1'), JSON.stringify(plainKey.jwk), { kid: 'plain' }),
  };
  for (const [name, auth] of Object.entries(wrong)) {
    await step(t, server, name, async () => {
      const page = new Page(server, { auth, project_id: project.id });
      assert.equal((await page.disconnected.next()).code, 3500);
      assert.equal((await project.getOrder(order_id, auth)).status, 401);
    });
  }
});

serverTest('a fresh connection is told where its orders stand', {}, async (server) => {
  const project = await Project.create(server);
  const steps = [[], ['paid'], ['done'], ['canceled']];
  for (const [i, walk] of steps.entries()) {
    const { order_id } = await project.create('u1', { order_id: i + 1 });
    for (const status of walk) await project.set(order_id, status);
  }
  const page = new Page(server, data(project, 'u1'));
  const told = [];
  while (told.length < 4) told.push(await page.statuses.next('a latest status'));
  assert.deepEqual(told.map(plain), [
    { order_id: 1, status: 'new', offset: undefined },
    { order_id: 2, status: 'paid', offset: undefined },
    { order_id: 3, status: 'done', offset: undefined },
    { order_id: 4, status: 'canceled', offset: undefined },
  ]);
  assert.equal((await page.histories.next()).length, 1 + 2 + 3 + 2);
  await project.set(1, 'paid');
  assert.deepEqual(plain(await page.statuses.next()), { order_id: 1, status: 'paid', offset: 9 });
});

serverTest('orders that were finished long ago are not told', { 'realtime.latest_window': '0s' }, async (server) => {
  const project = await Project.create(server);
  await project.create('u1', { order_id: 1, status: 'done' });
  await project.create('u1', { order_id: 2, status: 'canceled' });
  await project.create('u1', { order_id: 3, status: 'paid' });
  const page = new Page(server, data(project, 'u1'));
  assert.deepEqual(plain(await page.statuses.next()), { order_id: 3, status: 'paid', offset: undefined });
  await project.set(3, 'done');
  assert.equal((await page.statuses.next()).offset, 8);
});

serverTest('nothing is told where the option says so', { 'realtime.latest_on_connect': 'false' }, async (server) => {
  const project = await Project.create(server);
  const { order_id } = await project.create('u1');
  const page = new Page(server, data(project, 'u1'));
  assert.equal((await page.histories.next()).length, 1);
  await project.set(order_id, 'paid');
  assert.deepEqual(plain(await page.statuses.next()), { order_id, status: 'paid', offset: 2 });
});

serverTest('users, their devices and their orders', { workers: 3 }, async (server) => {
  const project = await Project.create(server);
  const other = await Project.create(server, 77641);
  const users = ['u1', 'u2', 'U1', 'пользователь', 'a b#c/d"e\\f'];
  const devices = 4;
  const pages = [];
  const join = (where, user) => pages.push({ page: new Page(server, data(where, user)), where, user });
  for (const user of users) for (let i = 0; i < devices; i++) join(project, user);
  join(other, 'u1');
  for (const { page } of pages) await page.histories.next('the history');

  const walk = ['new', 'paid', 'done'];
  const expected = new Map();
  let order_id = 0;
  for (const where of [project, other]) {
    for (const user of where === other ? ['u1'] : users) {
      const orders = [++order_id, ++order_id, ++order_id];
      const events = walk.flatMap((status) => orders.map((id) => ({ order_id: id, status })));
      expected.set(`${where.id} ${user}`, events.map((event, i) => ({ ...event, offset: i + 1 })));
      await where.batch(events.map((event) => ({ ...event, user_external_id: user })));
    }
  }
  for (const { page, where, user } of pages) {
    const wanted = expected.get(`${where.id} ${user}`);
    const seen = [];
    while (seen.length < wanted.length) seen.push(await page.statuses.next(`an event of ${user}`));
    assert.deepEqual(seen.map(plain), wanted);
    assert.equal(new Set(seen.map((one) => one.channel)).size, 1);
  }
  for (const { page } of pages) {
    assert.equal(page.statuses.size, 0, 'nobody saw more');
    assert.deepEqual(page.errors, []);
  }
});
