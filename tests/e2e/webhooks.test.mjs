// SPDX-License-Identifier: Apache-2.0
// Webhooks as a merchant sets them up: endpoints and their settings, URLs, presets whose signatures are
// held against the verifiers of others, rotation, examples.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Project } from './lib/api.mjs';
import { until } from './lib/events.mjs';
import { Receiver } from './lib/receiver.mjs';
import { serverTest, step } from './lib/server.mjs';
import { assertError, CONTENT, PATIENT, refuseStandard, signStandard, signXsolla, verifyStandard } from './lib/webhooks.mjs';

serverTest('an endpoint is made, read, changed and deleted', {}, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  let made;

  await step(t, server, 'made: the answer is whole, and holds the secret', async () => {
    made = await project.webhook({ url: receiver.url });
    const { id, secret, created_at: created, updated_at: updated, ...rest } = made;
    assert.ok(Number.isSafeInteger(id) && id > 0);
    assert.match(secret, /^whsec_/);
    assert.equal(Buffer.from(secret.slice(6), 'base64').length, 32);
    assert.ok(Date.parse(created) > 0 && created === updated);
    assert.deepEqual(rest, {
      url: receiver.url, description: '', preset: 'standard', mode: 'all',
      statuses: ['new', 'paid', 'done', 'canceled'],
      schedule: [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400],
      concurrency: 10, rate: 0, max_age: 604800, timeout: 15, state: 'active', state_reason: '',
    });
  });

  await step(t, server, 'read: without the secret, alone and in the list', async () => {
    const { secret, ...shown } = made;
    assert.deepEqual(await project.read(`/webhooks/${made.id}`), shown);
    const second = await project.webhook({ url: receiver.url, preset: 'xsolla', description: 'the second' });
    assert.equal(second.schedule.length, 19);
    assert.deepEqual(second.statuses, ['paid', 'canceled']);
    const list = await project.read('/webhooks');
    assert.deepEqual(list.webhooks.map((one) => one.id), [made.id, second.id]);
    assert.deepEqual(list.webhooks[0], shown);
    assert.ok(!JSON.stringify(list).includes('"secret"'));
    assert.equal(list.next_cursor, null);
  });

  await step(t, server, 'changed: what is named, null brings the default back', async () => {
    const change = { statuses: ['paid'], schedule: [0.5, 1], concurrency: 3, timeout: 2.5, description: 'ü', mode: 'latest' };
    const answer = await project.request('PATCH', `/webhooks/${made.id}`, change);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.secret, undefined);
    const shown = await project.read(`/webhooks/${made.id}`);
    assert.deepEqual(answer.json, shown);
    for (const [name, value] of Object.entries(change)) assert.deepEqual(shown[name], value);
    assert.equal(shown.url, receiver.url);
    await project.request('PATCH', `/webhooks/${made.id}`, { schedule: null, mode: null });
    const back = await project.read(`/webhooks/${made.id}`);
    assert.equal(back.schedule.length, 9);
    assert.equal(back.mode, 'all');
    assert.equal(back.concurrency, 3);
  });

  await step(t, server, 'settings that are no good are refused by name, and change nothing', async () => {
    const before = await project.read('/webhooks');
    const rows = [
      [{ preset: 'stripe' }, /preset/], [{ mode: 'fifo' }, /mode/], [{ statuses: [] }, /statuses/],
      [{ statuses: ['paid', 'expired'] }, /statuses\[1\]/], [{ statuses: 'paid' }, /statuses/],
      [{ preset: 'xsolla', statuses: ['done'] }, /statuses/], [{ schedule: [5, 'x'] }, /schedule\[1\]/],
      [{ schedule: [0] }, /schedule\[0\]/], [{ schedule: Array(33).fill(5) }, /schedule/],
      [{ concurrency: 0 }, /concurrency/], [{ concurrency: 101 }, /concurrency/], [{ rate: -1 }, /rate/],
      [{ timeout: 0 }, /timeout/], [{ timeout: 61 }, /timeout/], [{ max_age: -1 }, /max_age/],
      [{ ca: 'certificate' }, /ca/], [{ client_cert: 'x' }, /client_cert/], [{ client_key: 'x' }, /client_key/],
      [{ secret: 'whsec_c2hvcnQ=' }, /secret/], [{ secret: `whsec_${Buffer.alloc(65).toString('base64')}` }, /secret/],
      [{ secret: 'plain-text-of-enough-length' }, /secret/], [{ secret: 5 }, /secret/],
      [{ preset: 'xsolla', secret: 'short' }, /secret/], [{ preset: 'xsolla', secret: 'with a space' }, /secret/],
      [{ description: 'x'.repeat(256) }, /description/], [{ colour: 'red' }, /colour/],
      [{ state: 'paused' }, /state/], [{ id: 7 }, /id/],
    ];
    for (const [settings, sentence] of rows) {
      assertError(await project.request('POST', '/webhooks', { url: receiver.url, ...settings }), 422, sentence);
      if (settings.secret === undefined)
        assertError(await project.request('PATCH', `/webhooks/${made.id}`, settings), 422, sentence);
    }
    assertError(await project.request('POST', '/webhooks', '{"url":'), 400);
    assertError(await project.request('POST', '/webhooks', '[]'), 422);
    assertError(await project.request('POST', '/webhooks', {}), 422, /url/);
    assert.deepEqual(await project.read('/webhooks'), before);
  });

  await step(t, server, 'a secret of the merchant', async () => {
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
    assert.equal((await project.webhook({ url: receiver.url, secret })).secret, secret);
    const xsolla = { url: receiver.url, preset: 'xsolla', secret: 'PROJECT_SECRET_KEY' };
    assert.equal((await project.webhook(xsolla)).secret, 'PROJECT_SECRET_KEY');
  });

  await step(t, server, 'made twice with one Idempotency-Key is made once', async () => {
    const body = { url: `${receiver.url}/once`, description: 'once' };
    const headers = { 'idempotency-key': 'make-it' };
    const [first, second] = await Promise.all([1, 2].map(() => project.request('POST', '/webhooks', body, headers)));
    const good = [first, second].filter((answer) => answer.status === 201);
    const again = await project.request('POST', '/webhooks', body, headers);
    assert.equal(again.status, 201, again.text);
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    for (const answer of good) assert.deepEqual(answer.json, again.json);
    for (const answer of [first, second]) assert.ok(answer.status === 201 || answer.status === 409, answer.text);
    server.secret(again.json.secret);
    assertError(await project.request('POST', '/webhooks', { ...body, description: 'twice' }, headers), 422);
    const list = await project.read('/webhooks');
    assert.equal(list.webhooks.filter((one) => one.description === 'once').length, 1);
  });

  await step(t, server, 'another project does not see it', async () => {
    const other = await Project.create(server, 77641);
    assert.deepEqual((await other.read('/webhooks')).webhooks, []);
    const commands = ['pause', 'resume', 'rotate', 'test', 'replay'].map((name) => ['POST', `/${name}`]);
    for (const [method, tail] of [['GET', ''], ['PATCH', ''], ['DELETE', ''], ...commands]) {
      const body = method === 'GET' || method === 'DELETE' ? undefined : tail === '/replay' ? { since: '2026-01-01T00:00:00Z' } : {};
      assertError(await other.request(method, `/webhooks/${made.id}${tail}`, body), 404, /Webhook not found/);
    }
    const wrongKey = { authorization: `Basic ${Buffer.from(`${project.id}:wrong`).toString('base64')}` };
    assertError(await project.request('GET', '/webhooks', undefined, wrongKey), 401);
    for (const id of ['0', '-1', 'x', '9223372036854775808', '999999'])
      assertError(await project.request('GET', `/webhooks/${id}`), 404);
  });

  await step(t, server, 'deleted: nothing more goes there, the record stays', async () => {
    for (const one of (await project.read('/webhooks')).webhooks)
      if (one.id !== made.id) assert.equal((await project.request('DELETE', `/webhooks/${one.id}`)).status, 204);
    await project.create('u1', { order_id: 1, status: 'paid' });
    await receiver.find((one) => one.orderId === 1);
    await project.command(`/webhooks/${made.id}/pause`);
    await project.set(1, 'canceled');
    await project.request('PATCH', `/webhooks/${made.id}`, { statuses: null });
    await project.create('u1', { order_id: 2 });
    assert.equal((await project.request('DELETE', `/webhooks/${made.id}`)).status, 204);
    assertError(await project.request('GET', `/webhooks/${made.id}`), 404);
    assertError(await project.request('DELETE', `/webhooks/${made.id}`), 404);
    await project.create('u1', { order_id: 3 });
    assert.deepEqual(await project.deliveries(3), []);
    const states = async (id) => (await project.deliveries(id)).map((one) => one.state);
    assert.deepEqual(await states(1), ['delivered']);
    await until(async () => (await states(2))[0] === 'dead', 'what was held to be dead');
    const [held] = await project.deliveries(2);
    assertError(await project.request('POST', `/deliveries/${held.id}/retry`), 404);
    assert.equal(receiver.all.length, 1);
  });
});

serverTest('URLs that can never be called are refused at once', {}, async (server, t) => {
  const strict = await Project.create(server, 1);
  const open = await Project.withWebhooks(server, 2);
  const anywhere = [
    ['', /url/], [5, /url/], [null, /url/], ['example.com/hook', /https?:/], ['//example.com/', /https?:/],
    ['ftp://example.com/', /https?:/], ['file:///etc/passwd', /https?:/], ['gopher://example.com/', /https?:/],
    ['javascript:alert(1)', /https?:/], ['http:/example.com/', /https?:/], ['https://', /host/],
    ['https://user@example.com/', /user name or a password/], ['https://user:pw@example.com/', /user name or a password/],
    ['https://example.com:pw@127.0.0.1/', /user name or a password/], ['https://@example.com/', /user name or a password/],
    ['https://example.com/#part', /fragment/], ['https://example.com#@127.0.0.1/', /fragment|user name/],
    ['https://bücher.example/', /Punycode/], ['https://example。com/', /Punycode/], ['https://ⓔxample.com/', /Punycode/],
    ['https://example.com/für', /percent-encoded/], ['https://example.com/a b', /percent-encoded/],
    ['https://example.com\\@127.0.0.1/', /percent-encoded|user name/], ['https://example.com/\r\nx: y', /percent-encoded|control/],
    ['https://exa%6dple.com/', /host/], ['https://127.0.0.%31/', /host|address/],
    ['https://example.com:0/', /port/], ['https://example.com:65536/', /port/], ['https://example.com:http/', /port/],
    ['https://example.com:-1/', /port/], ['https://-example.com/', /host/], ['https://exa..mple.com/', /host/],
    ['https://[::1/', /host|bracket/], ['https://[127.0.0.1]/', /bracket|host/], ['https://[::g]/', /bracket|host/],
    ['https://[fe80::1%25eth0]/', /bracket|host/], ['https://::1/', /host|port|bracket/],
    ['http://2130706433/', /decimal/], ['http://0x7f000001/', /decimal/], ['http://0x7f.0.0.1/', /decimal/],
    ['http://0177.0.0.1/', /decimal/], ['http://127.1/', /decimal/], ['http://127.0.1/', /decimal/],
    ['http://127.0.0.1.2/', /decimal/], ['http://256.0.0.1/', /decimal/], ['http://127.0.0.01/', /decimal/],
    [`https://example.com/${'x'.repeat(2048)}`, /url/],
  ];
  const blocked = [
    '127.0.0.1', '127.255.255.254', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.0.1', '169.254.169.254',
    '0.0.0.0', '100.64.0.1', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1', '240.0.0.1',
    '255.255.255.255', '[::]', '[::1]', '[fe80::1]', '[fd00:ec2::254]', '[ff02::1]', '[2001:db8::1]',
    '[::ffff:127.0.0.1]', '[::ffff:a9fe:a9fe]', '[64:ff9b::7f00:1]', '[64:ff9b::a9fe:a9fe]', '[2002:7f00:1::]',
    'localhost', 'LOCALHOST', 'localhost.', 'hook.localhost',
  ];
  const good = [
    'https://example.com', 'HTTPS://Example.COM/Hook', 'https://example.com:8443/hook?x=%20y&z=1', 'http://example.com./',
    'https://xn--bcher-kva.example/', 'http://8.8.8.8:8080/', 'https://[2606:4700::1111]/', 'https://a-b.c0.example/~x',
    'https://sub_domain.example.com/',
  ];

  await step(t, server, 'whatever the project allows', async () => {
    for (const [url, sentence] of anywhere) {
      const [one, other] = await Promise.all([strict, open].map((project) => project.request('POST', '/webhooks', { url })));
      assertError(one, 422, sentence);
      assert.equal(other.json.errorMessage, one.json.errorMessage, url);
    }
  });
  await step(t, server, 'addresses that are not of the public internet need the allow list', async () => {
    for (const host of blocked) {
      const answer = await strict.request('POST', '/webhooks', { url: `http://${host}:8080/hook` });
      assertError(answer, 422, /webhook_allow_cidrs/);
    }
    for (const host of ['127.0.0.1', '[::1]', 'localhost', '[::ffff:127.0.0.1]'])
      await open.webhook({ url: `http://${host}:8080/hook` });
    assertError(await open.request('POST', '/webhooks', { url: 'http://127.0.0.2/' }), 422, /webhook_allow_cidrs/);
  });
  await step(t, server, 'nothing was made, and what is good is made', async () => {
    assert.deepEqual((await strict.read('/webhooks')).webhooks, []);
    for (const url of good) assert.equal((await strict.webhook({ url })).url, url);
    const { id } = await strict.webhook({ url: good[0] });
    assertError(await strict.request('PATCH', `/webhooks/${id}`, { url: 'http://127.0.0.1/' }), 422, /webhook_allow_cidrs/);
    assert.equal((await strict.read(`/webhooks/${id}`)).url, good[0]);
  });
  await step(t, server, 'the allow list itself is checked', async () => {
    for (const list of [['127.0.0.0/33'], ['127.0.0'], ['localhost'], 'x', [5], ['::1/129']]) {
      const answer = await strict.request('GET', '/webhooks');
      assert.equal(answer.status, 200);
      await assert.rejects(strict.change({ webhook_allow_cidrs: list }), JSON.stringify(list));
    }
  });
});

serverTest('the standard preset is verified by standardwebhooks and by svix', {}, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  const { secret } = await project.webhook({ url: `${receiver.url}?token=hidden`, schedule: [] });
  server.secret('token=hidden');

  await step(t, server, 'a whole order life', async () => {
    await project.create('Käufer 1', { order_id: 11, content: CONTENT, custom_parameters: { shop: 'ö' } });
    await project.set(11, 'paid');
    await project.set(11, { status: 'done' });
    await project.set(11, { status: 'canceled', cancel_reason: 'refund' });
    await receiver.count(4);
    const { events } = await project.read('/orders/11');
    const statuses = ['new', 'paid', 'done', 'canceled'];
    for (const [i, received] of receiver.all.entries()) {
      verifyStandard(received, secret);
      assert.equal(received.method, 'POST');
      assert.equal(received.path, '/hook?token=hidden');
      assert.equal(received.headers['content-type'], 'application/json');
      assert.match(received.headers['user-agent'], /^Orderwire\//);
      assert.equal(received.headers.host, `127.0.0.1:${receiver.port}`);
      for (const name of ['cookie', 'accept-encoding', 'expect', 'transfer-encoding', 'authorization'])
        assert.equal(received.headers[name], undefined, name);
      assert.match(received.headers['webhook-id'], /^[A-Za-z0-9_]+$/);
      const drift = Math.abs(Number(received.headers['webhook-timestamp']) - Date.now() / 1000);
      assert.ok(drift < 60, `the timestamp is ${drift} s off`);
      assert.equal(received.headers['webhook-signature'], signStandard(received, secret));
      const { type, timestamp, data } = received.json;
      assert.equal(type, `order.${statuses[i]}`);
      assert.equal(timestamp, events[i].occurred_at);
      assert.deepEqual(data.content, CONTENT);
      const { content, ...rest } = data;
      assert.deepEqual(rest, {
        order_id: 11, status: statuses[i], user_external_id: 'Käufer 1', seq: i + 1,
        previous_status: statuses[Math.max(0, i - 1)], cancel_reason: i === 3 ? 'refund' : null,
        occurred_at: events[i].occurred_at, custom_parameters: { shop: 'ö' }, synthetic: false,
      });
    }
    assert.equal(new Set(receiver.all.map((received) => received.id)).size, 4);
  });

  await step(t, server, 'an order that is paid at once: the events between are told too', async () => {
    await project.create('u1', { order_id: 12, status: 'done' });
    const all = await receiver.count(3, 'three webhooks', { matches: (one) => one.orderId === 12 });
    assert.deepEqual(all.map((one) => [one.status, one.seq]), [['new', 1], ['paid', 2], ['done', 3]]);
  });

  await step(t, server, 'what changes nothing sends nothing; a change of content is no webhook', async () => {
    await project.set(12, 'paid');
    await project.set(12, 'done');
    await project.set(12, { content: CONTENT });
    await project.create('u1', { order_id: 13 });
    await receiver.find((one) => one.orderId === 13);
    assert.equal(receiver.ofOrder(12).length, 3);
    assert.equal((await project.deliveries(12)).length, 3);
  });
  receiver.check();
});

serverTest('the xsolla preset: signature and shapes', PATIENT, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server, { script: { status: 204 } });
  const { id, secret } = await project.webhook({ url: receiver.url, preset: 'xsolla', schedule: [0.05] });

  await step(t, server, 'order_paid and order_canceled, and nothing for new and done', async () => {
    await project.create('user-1', { order_id: 21, content: CONTENT, custom_parameters: { email: 'a@example.com', country: 'DE' } });
    for (const status of ['paid', 'done', 'canceled']) await project.set(21, status);
    const [paid, canceled] = await receiver.count(2);
    for (const received of [paid, canceled]) {
      assert.equal(received.headers.authorization, signXsolla(received, secret));
      assert.match(received.headers.authorization, /^Signature [0-9a-f]{40}$/);
      assert.equal(received.headers['content-type'], 'application/json');
      assert.equal(received.headers.accept, 'application/json');
      assert.equal(received.headers['webhook-signature'], undefined);
      const { items, order, user } = received.json;
      assert.deepEqual(items, [
        { sku: 'sword', type: 'virtual_good', is_pre_order: false, quantity: 2, amount: '4.995', promotions: [] },
        {
          sku: 'Schild für €', type: 'virtual_good', is_pre_order: false, quantity: 1, amount: '0', promotions: [],
          custom_attributes: { purchased: 0, attr: 'value' },
        },
      ]);
      const { status, ...rest } = order;
      assert.deepEqual(rest, {
        id: 21, mode: 'default', currency_type: 'real', currency: 'USD', amount: '9.99', platform: null, comment: null,
        invoice_id: '21', promotions: [],
      });
      assert.deepEqual(user, { external_id: 'user-1', email: 'a@example.com', country: 'DE' });
      assert.deepEqual(received.json.custom_parameters, { email: 'a@example.com', country: 'DE' });
    }
    assert.equal(paid.json.notification_type, 'order_paid');
    assert.equal(canceled.json.notification_type, 'order_canceled');
    assert.deepEqual((await project.deliveries(21)).map((one) => one.type), ['order.paid', 'order.canceled']);
  });

  await step(t, server, 'an order paid with virtual currency, a free one, one without content', async () => {
    const gold = { price: null, virtual_price: { amount: 100, amount_without_discount: 100, currency: 'GOLD' }, is_free: false, items: [] };
    await project.create('u', { order_id: 22, status: 'paid', content: gold });
    await project.create('u', { order_id: 23, status: 'paid', content: { is_free: true, items: [] } });
    await project.create('u', { order_id: 24, status: 'paid' });
    const order = async (id) => (await receiver.find((one) => one.orderId === id)).json.order;
    const { currency_type: type, currency, amount } = await order(22);
    assert.deepEqual([type, currency, amount], ['virtual', 'GOLD', '100']);
    assert.equal((await order(23)).currency_type, 'unknown');
    assert.equal((await order(24)).amount, '0');
  });

  await step(t, server, 'its answers: 200 201 204 succeed, a list of 4xx ends, the rest is tried again', async () => {
    let order = 100;
    const end = async (status) => {
      receiver.script = [{ status }, { status: 204 }];
      await project.create('u', { order_id: ++order, status: 'paid' });
      return until(async () => {
        const [one] = await project.deliveries(order, id);
        return one?.finished_at && [one.state, one.attempt_count];
      }, `the end of the delivery answered ${status}`);
    };
    for (const status of [200, 201, 204]) assert.deepEqual(await end(status), ['delivered', 1], `${status}`);
    for (const status of [400, 401, 402, 403, 404, 409, 415, 422]) assert.deepEqual(await end(status), ['dead', 1], `${status}`);
    for (const status of [202, 302, 405, 410, 429, 500, 503]) assert.deepEqual(await end(status), ['delivered', 2], `${status}`);
    assert.equal((await project.read(`/webhooks/${id}`)).state, 'active');
  });

  await step(t, server, 'the secret of a rotation is a hard cut on the one header there is', async () => {
    receiver.script = { status: 204 };
    const rotated = await project.command(`/webhooks/${id}/rotate`, { secret: 'PROJECT_SECRET_KEY' });
    assert.equal(rotated.secret, 'PROJECT_SECRET_KEY');
    await project.create('u', { order_id: 25, status: 'paid' });
    const received = await receiver.find((one) => one.orderId === 25);
    assert.equal(received.headers.authorization, signXsolla(received, 'PROJECT_SECRET_KEY'));
    const sum = createHash('sha1').update(`${received.body}PROJECT_SECRET_KEY`).digest('hex');
    assert.equal(received.headers.authorization, `Signature ${sum}`);
  });
  receiver.check();
});

serverTest('a rotated secret: the old one signs too until its time is over', {}, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  const { id, secret: first } = await project.webhook({ url: receiver.url });
  let order = 0;
  const next = async () => {
    await project.create('u', { order_id: ++order });
    return receiver.find((one) => one.orderId === order);
  };
  const rotate = async (body) => server.secret((await project.command(`/webhooks/${id}/rotate`, body)).secret);

  verifyStandard(await next(), first);
  const second = await rotate();
  assert.notEqual(second, first);
  await step(t, server, 'both verify', async () => {
    const received = await next();
    assert.equal(received.headers['webhook-signature'].split(' ').length, 2);
    verifyStandard(received, first);
    verifyStandard(received, second);
    assert.equal(received.headers['webhook-signature'], `${signStandard(received, second)} ${signStandard(received, first)}`);
  });
  await step(t, server, 'it outlives a restart', async () => {
    await server.kill();
    await server.start();
    const received = await next();
    verifyStandard(received, first);
    verifyStandard(received, second);
  });
  await step(t, server, 'an overlap of nothing is a hard cut', async () => {
    const third = await rotate({ overlap: 0 });
    const received = await next();
    verifyStandard(received, third);
    refuseStandard(received, second);
    refuseStandard(received, first);
  });
  await step(t, server, 'an overlap ends', async () => {
    const fourth = await rotate({ overlap: 0.3 });
    await until(async () => {
      const received = await next();
      verifyStandard(received, fourth);
      return !received.headers['webhook-signature'].includes(' ');
    }, 'one signature alone');
  });
  await step(t, server, 'a secret of the merchant, and bad ones', async () => {
    const secret = `whsec_${Buffer.alloc(64, 9).toString('base64')}`;
    assert.equal(await rotate({ secret, overlap: 0 }), secret);
    verifyStandard(await next(), secret);
    for (const body of [{ secret: 'x' }, { secret: 7 }, { overlap: -1 }, { overlap: 604801 }, { other: 1 }])
      assertError(await project.request('POST', `/webhooks/${id}/rotate`, body), 422);
  });
});

serverTest('endpoints get the statuses they asked for', {}, async (server) => {
  const project = await Project.withWebhooks(server);
  const receivers = {};
  for (const statuses of [['new'], ['paid', 'canceled'], ['done'], ['new', 'paid', 'done', 'canceled']]) {
    const receiver = await Receiver.open(server);
    receivers[statuses.join()] = receiver;
    await project.webhook({ url: receiver.url, statuses });
  }
  await project.create('u', { order_id: 1, status: 'done' });
  await project.set(1, 'canceled');
  await project.create('u', { order_id: 2 });
  await project.batch([{ order_id: 2, user_external_id: 'u', status: 'canceled' }]);
  for (const [statuses, receiver] of Object.entries(receivers)) {
    const expected = [['new', 1], ['paid', 1], ['done', 1], ['canceled', 1], ['new', 2], ['canceled', 2]]
      .filter(([status]) => statuses.split(',').includes(status))
      .map(([status, order]) => `${order} ${status}`);
    await receiver.count(expected.length, `what wants ${statuses}`);
    assert.deepEqual(receiver.all.map((one) => `${one.orderId} ${one.status}`).sort(), expected.sort());
    receiver.check();
  }
  const all = await project.read('/deliveries?limit=100');
  assert.equal(all.deliveries.length, 2 + 3 + 1 + 6);
});

serverTest('an example is sent', {}, async (server) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  const standard = await project.webhook({ url: receiver.url, statuses: ['done'] });
  const xsolla = await project.webhook({ url: receiver.url, preset: 'xsolla' });
  for (const status of ['new', 'paid', 'done', 'canceled']) {
    const { delivery_id: id } = await project.command(`/webhooks/${standard.id}/test`, { status });
    const received = await receiver.find((one) => one.type === `order.${status}`);
    verifyStandard(received, standard.secret);
    const delivery = await project.delivery(id, 'delivered');
    assert.deepEqual([delivery.type, delivery.order_id, delivery.seq], ['example', null, null]);
    assert.equal(delivery.message_id, received.id);
  }
  await project.command(`/webhooks/${xsolla.id}/test`);
  const paid = await receiver.find((one) => one.type === 'order_paid');
  assert.equal(paid.headers.authorization, signXsolla(paid, xsolla.secret));
  assert.equal(paid.json.order.mode, 'sandbox');
  assertError(await project.request('POST', `/webhooks/${xsolla.id}/test`, { status: 'done' }), 422, /status/);
  assertError(await project.request('POST', `/webhooks/${xsolla.id}/test`, { status: 'gone' }), 422, /status/);
  const headers = { 'idempotency-key': 'example' };
  const [one, two] = [1, 2].map(() => project.request('POST', `/webhooks/${standard.id}/test`, { status: 'done' }, headers));
  const first = await one;
  const second = await two;
  for (const answer of [first, second]) assert.ok(answer.status === 202 || answer.status === 409, answer.text);
  const again = await project.request('POST', `/webhooks/${standard.id}/test`, { status: 'done' }, headers);
  assert.equal(again.headers.get('idempotent-replayed'), 'true');
  assert.deepEqual(again.json, first.status === 202 ? first.json : second.json);
});
