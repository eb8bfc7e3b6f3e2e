// SPDX-License-Identifier: Apache-2.0
// The merchant's interface and Get order over HTTP: the order's rules, conditions, idempotency, batches,
// lists, who may do what, and bad input, which gets a sentence and changes nothing.
import assert from 'node:assert/strict';
import { call, Project } from './lib/api.mjs';
import { hs256, userClaims } from './lib/jwt.mjs';
import { serverTest, step } from './lib/server.mjs';

function assertError(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.json.statusCode, status);
  if (code !== undefined) assert.equal(answer.json.errorCode, code);
  const number = String(answer.json.errorCode);
  assert.ok(answer.json.errorMessage.startsWith(`[0401-${number}]: `), answer.json.errorMessage);
  assert.match(answer.json.transactionId, /^[0-9a-f]{16}$/);
}

serverTest('an order goes its way', {}, async (server, t) => {
  const project = await Project.create(server);
  const token = project.token('u1');

  await step(t, server, 'create answers with exactly these members', async () => {
    const answer = await project.request('POST', '/orders', { user_external_id: 'u1', order_id: 7 });
    assert.equal(answer.status, 201);
    assert.deepEqual(Object.keys(answer.json), ['order_id', 'status', 'seq', 'token']);
    assert.equal(answer.headers.get('etag'), '"1"');
  });

  await step(t, server, 'each row of the table of rules', async () => {
    const rules = {
      new: { new: 'duplicate', paid: true, done: true, canceled: true },
      paid: { new: 'stale', paid: 'duplicate', done: true, canceled: true },
      done: { new: 'stale', paid: 'stale', done: 'duplicate', canceled: true },
      canceled: { new: 'stale', paid: 409, done: 409, canceled: 'duplicate' },
    };
    let id = 1000;
    for (const [now, updates] of Object.entries(rules)) {
      for (const [update, expected] of Object.entries(updates)) {
        id += 1;
        const created = await project.create('table', { order_id: id, status: now });
        const answer = await project.request('PATCH', `/orders/${id}`, { status: update });
        const name = `${now} -> ${update}`;
        if (expected === 409) {
          assertError(answer, 409, 9090);
        } else if (expected === true) {
          assert.equal(answer.json.applied, true, name);
          assert.equal(answer.json.status, update, name);
          assert.equal(answer.json.seq, created.seq + (now === 'new' && update === 'done' ? 2 : 1), name);
        } else {
          assert.deepEqual(answer.json, {
            order_id: id, status: now, seq: created.seq, applied: false, reason: expected,
          }, name);
        }
      }
    }
  });

  await step(t, server, 'a free order skips paid, a strict project refuses to', async () => {
    await project.create('u1', { order_id: 8, content: { is_free: true } });
    assert.equal((await project.set(8, 'done')).seq, 2);
    await project.change({ strict: true });
    await project.create('u1', { order_id: 9 });
    assertError(await project.request('PATCH', '/orders/9', { status: 'done' }), 409, 9091);
    await project.change({ strict: false });
    assert.equal((await project.set(9, 'done')).seq, 3);
  });

  await step(t, server, 'Get order: body, tag, 304', async () => {
    await project.create('u1', {
      order_id: 11,
      content: { price: { amount: '30', currency: 'USD' }, items: [{ sku: 's', quantity: 2, is_free: false }] },
    });
    const first = await project.getOrder(11, token);
    assert.equal(first.status, 200);
    assert.deepEqual(first.json, {
      order_id: 11,
      status: 'new',
      content: {
        price: { amount: '30', amount_without_discount: '30', currency: 'USD' },
        virtual_price: null,
        is_free: false,
        items: [{ sku: 's', quantity: 2, is_free: false, price: null }],
      },
    });
    const tag = first.headers.get('etag');
    const again = await project.getOrder(11, token, { headers: { 'if-none-match': tag } });
    assert.equal(again.status, 304);
    assert.equal(again.text, '');
    await project.set(11, { content: { is_free: true } });
    const changed = await project.getOrder(11, token, { headers: { 'if-none-match': tag } });
    assert.equal(changed.status, 200);
    assert.equal(changed.json.content.is_free, true);
  });

  await step(t, server, 'a held request ends with the change, with its time, and not for others', async () => {
    await project.create('u1', { order_id: 12 });
    await project.create('u1', { order_id: 13 });
    const headers = { 'if-none-match': '"1"' };
    const held = project.getOrder(12, token, { headers, query: '?wait=30' });
    const short = await project.getOrder(12, token, { headers, query: '?wait=1' });
    assert.equal(short.status, 304);
    await project.set(13, 'paid');
    await project.set(12, 'paid');
    const answer = await held;
    assert.equal(answer.status, 200);
    assert.equal(answer.json.status, 'paid');
    assertError(await project.getOrder(12, token, { headers, query: '?wait=61' }), 422);
    assertError(await project.getOrder(12, token, { headers, query: '?wait=x' }), 422);
    const late = await project.getOrder(12, token, { headers, query: '?wait=30' });
    assert.equal(late.json.status, 'paid');
  });

  await step(t, server, 'the payment token stands for the JWT of its user', async () => {
    const created = await project.create('u2', { order_id: 14 });
    await project.create('u2', { order_id: 15 });
    assert.equal((await project.getOrder(14, created.token)).status, 200);
    assert.equal((await project.getOrder(15, created.token)).status, 200);
    assertError(await project.getOrder(12, created.token), 404, 9001);
    assertError(await project.getOrder(14, `${created.token.slice(0, -2)}AA`), 401, 1020);
  });

  await step(t, server, 'CORS: preflight, headers on answers and on errors', async () => {
    const url = `${server.url}/api/v2/project/${project.id}/order/12`;
    const preflight = await call(url, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://shop.example', 'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization,x-engine',
      },
    });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers.get('access-control-allow-headers'), /authorization/i);
    assert.match(preflight.headers.get('access-control-allow-headers'), /x-engine/i);
    for (const authorization of [`Bearer ${token}`, 'Bearer x']) {
      const answer = await call(url, { headers: { origin: 'https://shop.example', authorization } });
      assert.ok(['*', 'https://shop.example'].includes(answer.headers.get('access-control-allow-origin')));
    }
  });
});

serverTest('conditions, idempotency, batches, lists', {}, async (server, t) => {
  const project = await Project.create(server);

  await step(t, server, 'If-Match', async () => {
    await project.create('u1', { order_id: 1 });
    const patch = (tag, body) => project.request('PATCH', '/orders/1', body, { 'if-match': tag });
    assertError(await patch('"2"', { status: 'paid' }), 412, 9120);
    assertError(await patch('2', { status: 'paid' }), 422);
    assert.equal((await patch('"1"', { content: { is_free: true } })).json.seq, 2);
    assertError(await patch('"1"', { content: { is_free: false } }), 412, 9120);
    assert.equal((await patch('*', { status: 'paid' })).json.seq, 3);
    const post = (tag, order_id) => project.request('POST', '/orders',
      { user_external_id: 'u1', order_id, content: { is_free: false } }, { 'if-match': tag });
    assertError(await post('"2"', 1), 412, 9120);
    assertError(await post('"1"', 11), 412, 9120);
    assertError(await post('3', 1), 422);
    assert.equal((await post('"3"', 1)).json.seq, 4);
  });

  await step(t, server, 'the same key and body get the stored answer, another body is refused', async () => {
    const post = (key, body) => project.request('POST', '/orders', body, { 'idempotency-key': key });
    const body = { user_external_id: 'u1' };
    const first = await post('k1', body);
    const again = await post('k1', body);
    assert.equal(first.status, 201);
    assert.equal(first.headers.get('idempotent-replayed'), null);
    assert.equal(again.status, 201);
    assert.equal(again.text, first.text);
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    assertError(await post('k1', { user_external_id: 'u2' }), 422, 1103);
    assertError(await post('', body), 422);
    assertError(await post('k'.repeat(256), body), 422);
    const many = await Promise.all(Array.from({ length: 20 }, () => post('k2', body)));
    assert.equal(new Set(many.map((answer) => answer.text)).size, 1);
    const other = await post('k3', body);
    assert.notEqual(other.json.order_id, first.json.order_id);
  });

  await step(t, server, 'a key survives a restart', async () => {
    const headers = { 'idempotency-key': 'k9' };
    const first = await project.request('POST', '/orders', { user_external_id: 'u1' }, headers);
    await server.kill();
    await server.start();
    const again = await project.request('POST', '/orders', { user_external_id: 'u1' }, headers);
    assert.equal(again.text, first.text);
  });

  await step(t, server, 'a bad line of a batch spoils no other', async () => {
    const lines = [
      { order_id: 100, user_external_id: 'b', status: 'paid' },
      '{"order_id":',
      { order_id: 101, user_external_id: 'b', status: 'lost' },
      { order_id: 102, status: 'new' },
      { order_id: 100, status: 'done' },
      { order_id: 100, user_external_id: 'c', status: 'canceled' },
      '',
      { order_id: 103, user_external_id: 'b' },
    ].map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
    const answer = await project.request('POST', '/orders/batch', lines.join('\n'));
    assert.equal(answer.status, 200);
    const answers = answer.text.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.equal(answers.length, 8);
    assert.deepEqual(answers.map((one) => one.statusCode ?? one.status),
      ['paid', 400, 422, 422, 'done', 409, 400, 'new']);
    assert.match(answers[1].errorMessage, /: column 1[0-9]: /);
    const refused = answers.filter((one) => one.statusCode);
    assert.match(refused[0].transactionId, /^[0-9a-f]{16}$/);
    assert.ok(refused.every((one) => one.transactionId === refused[0].transactionId));
    assert.equal((await project.request('GET', '/orders/100')).json.events.length, 3);
  });

  await step(t, server, 'sizes of batches', async () => {
    assertError(await project.request('POST', '/orders/batch', ''), 422);
    const line = (i) => `{"order_id":${10000 + i},"user_external_id":"many"}`;
    const lines = Array.from({ length: 1001 }, (_, i) => line(i));
    assertError(await project.request('POST', '/orders/batch', lines.join('\n')), 422);
    const answer = await project.request('POST', '/orders/batch', `${lines.slice(0, 1000).join('\n')}\n`);
    assert.equal(answer.text.trimEnd().split('\n').length, 1000);
  });

  await step(t, server, 'lists: pages without holes, filters', async () => {
    const seen = [];
    let cursor = '';
    do {
      const answer = await project.request('GET', `/orders?limit=97&user_external_id=many${cursor}`);
      assert.equal(answer.status, 200, answer.text);
      seen.push(...answer.json.orders.map((order) => order.order_id));
      cursor = answer.json.next_cursor === null ? null : `&cursor=${answer.json.next_cursor}`;
    } while (cursor !== null);
    assert.deepEqual(seen, Array.from({ length: 1000 }, (_, i) => 10999 - i));
    const done = await project.request('GET', '/orders?status=done');
    assert.deepEqual(done.json.orders.map((order) => order.order_id), [100]);
    const soon = await project.request('GET', '/orders?created_from=2100-01-01T00:00:00Z');
    assert.deepEqual(soon.json.orders, []);
    for (const query of ['limit=0', 'limit=101', 'status=lost', 'cursor=!', 'created_from=x', 'nosuch=1', 'status=%zz'])
      assertError(await project.request('GET', `/orders?${query}`), 422);
  });
});

serverTest('who may do what', {}, async (server) => {
  const mine = await Project.create(server, 1);
  const other = await Project.create(server, 2);
  const created = await mine.create('u1', { order_id: 5 });
  const path = '/server/v1/project/1/orders/5';
  const basic = (name, password) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
  const merchant = {
    'no credentials': [undefined, 401],
    'wrong key': [basic(1, 'owk_wrong'), 401],
    'the key of another project': [basic(1, other.key), 401],
    'another project as name': [basic(2, mine.key), 401],
    'no name': [basic('', mine.key), 401],
    'a user token': [`Bearer ${mine.token('u1')}`, 401],
    'a payment token': [`Bearer ${created.token}`, 401],
    'not base64': ['Basic !!!', 401],
    'the key': [basic(1, mine.key), 200],
    'the operator': [`Bearer ${server.adminKey}`, 200],
  };
  for (const [name, [authorization, status]] of Object.entries(merchant)) {
    const answer = await call(server.url + path, { headers: authorization ? { authorization } : {} });
    assert.equal(answer.status, status, name);
    if (status !== 200) {
      assertError(answer, status);
      assert.match(answer.json.errorMessage, /Basic, base64 of project_id:api_key/);
    }
  }
  assertError(await other.request('GET', '/orders/5'), 404, 9001);
  const unknown = await call(`${server.url}/server/v1/project/3/orders/5`, { headers: { authorization: basic(3, mine.key) } });
  assertError(unknown, 404, 1041);

  const buyer = {
    'no token': [undefined, 401],
    'another secret': [hs256(userClaims('u1'), 'x'.repeat(40)), 401],
    'another project\'s secret': [other.token('u1'), 401],
    'expired': [mine.token('u1', { exp: 1000 }), 401],
    'not yet': [mine.token('u1', { nbf: Math.floor(Date.now() / 1000) + 1000 }), 401],
    'no end': [mine.token('u1', { exp: undefined }), 401],
    'no user': [mine.token(undefined), 401],
    'garbage': ['a.b.c', 401],
    'giant': ['a'.repeat(6000), 401],
    'alg none': [`${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"u1","exp":9999999999}').toString('base64url')}.`, 401],
    'another user': [mine.token('u2'), 404],
    'the user': [mine.token('u1'), 200],
  };
  for (const [name, [token, status]] of Object.entries(buyer)) {
    const answer = await mine.getOrder(5, token);
    assert.equal(answer.status, status, name);
    if (status !== 200) assertError(answer, status);
  }
  for (const id of ['0', '-1', '2147483648', '5.0', 'x'])
    assertError(await mine.getOrder(id, mine.token('u1')), 404, 9001);

  const admin = { authorization: `Bearer ${server.adminKey}` };
  const projects = `${server.url}/admin/v1/projects`;
  for (const headers of [{}, { authorization: basic(1, mine.key) }, { authorization: 'Bearer owa_wrong' }])
    assertError(await call(projects, { headers }), 401);
  assertError(await call(projects, { method: 'POST', headers: admin, body: { project_id: 1 } }), 409, 1091);
  for (const body of [{}, { project_id: 0 }, { project_id: '3' }, { project_id: 3, verifiers: 5 }, { project_id: 3, nosuch: 1 }])
    assertError(await call(projects, { method: 'POST', headers: admin, body }), 422);
  const shown = await call(`${projects}/1`, { headers: admin });
  assert.ok(!shown.text.includes(mine.secret) && !shown.text.includes('whsec_'), 'a secret was shown');

  const second = await call(`${projects}/1/keys`, { method: 'POST', headers: admin, body: { label: 'ci' } });
  assert.equal(second.status, 201, second.text);
  server.secret(second.json.api_key);
  const use = () => call(server.url + path, { headers: { authorization: basic(1, second.json.api_key) } });
  assert.equal((await use()).status, 200);
  const gone = await call(`${projects}/1/keys/${second.json.key_id}`, { method: 'DELETE', headers: admin });
  assert.equal(gone.status, 204);
  assertError(await use(), 401);
});

serverTest('bad input is refused with a sentence and changes nothing', {}, async (server) => {
  const project = await Project.create(server);
  await project.create('u1', { order_id: 1 });
  const deep = `${'['.repeat(40)}${']'.repeat(40)}`;
  const rows = [
    [400, ''], [400, '{'], [400, '{"user_external_id":"u"}x'], [400, '{"a":1,"a":2}'], [400, `{"content":${deep}}`],
    [400, '{"user_external_id":"\\ud800"}'], [400, '{"user_external_id":"\\u0000"}'], [422, '[]'], [422, '"x"'], [422, '{}'],
    [422, '{"user_external_id":1}'], [422, '{"user_external_id":""}'], [422, `{"user_external_id":"${'u'.repeat(256)}"}`],
    [422, '{"user_external_id":"u","order_id":0}'], [422, '{"user_external_id":"u","order_id":-1}'],
    [422, '{"user_external_id":"u","order_id":2147483648}'], [422, '{"user_external_id":"u","order_id":1.5}'],
    [422, '{"user_external_id":"u","order_id":"5"}'], [422, '{"user_external_id":"u","status":"expired"}'],
    [422, '{"user_external_id":"u","status":1}'], [422, '{"user_external_id":"u","content":1}'],
    [422, '{"user_external_id":"u","content":{"items":[{"sku":"s","quantity":0}]}}'],
    [422, '{"user_external_id":"u","colour":"red"}'], [413, `{"user_external_id":"${'u'.repeat(70000)}"}`],
  ];
  for (const [status, body] of rows) {
    const answer = await project.request('POST', '/orders', body);
    assertError(answer, status);
  }
  const list = await project.request('GET', '/orders');
  assert.deepEqual(list.json.orders.map((order) => [order.order_id, order.seq]), [[1, 1]]);
  assertError(await call(`${server.url}/nowhere`), 404);
  assertError(await call(`${server.url}/health`, { method: 'DELETE' }), 405);
  assertError(await project.request('PATCH', '/orders/99', { status: 'paid' }), 404, 9001);
  assertError(await project.request('POST', '/orders', { user_external_id: 'u2', order_id: 1 }), 409, 9092);
  assert.equal((await call(`${server.url}/health`)).status, 200);
  assert.equal((await call(`${server.url}/ready`)).status, 200);
});
