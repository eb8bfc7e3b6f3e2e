// SPDX-License-Identifier: Apache-2.0
// Clients that mean harm: slow ones, many, those that promise too much and those that never read. Beside each a
// healthy client notices nothing, and the server's memory stays within bounds.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { call, Project } from './lib/api.mjs';
import { crowd, drip, Intruder, withstand } from './lib/attack.mjs';
import { short, until } from './lib/events.mjs';
import { frame, handshake, OPCODE, RawWebSocket } from './lib/raw.mjs';
import { serverTest, step } from './lib/server.mjs';

const MANY = short ? 200 : 1000;
const QUIET = { 'log.level': 'warning', 'http.header_timeout': '2s', 'http.body_timeout': '2s' };
const HOST = 'Host: a\r\n';

serverTest('slow and half-open clients', QUIET, async (server, t) => {
  const project = await Project.create(server);
  const attacks = {
    'heads that come byte by byte': async () => {
      const intruders = await crowd(server, MANY, 'GET /health HTTP/1.1\r\nX: ');
      const stop = drip(intruders, 'a', 200);
      return async () => {
        for (const one of intruders) assert.match(await one.ended(), /^HTTP\/1\.1 408 /);
        stop();
      };
    },
    'bodies that come byte by byte': async () => {
      const head = `POST /connection/http_stream HTTP/1.1\r\n${HOST}Content-Length: 60000\r\n\r\n{`;
      const intruders = await crowd(server, MANY, head);
      const stop = drip(intruders, ' ', 200);
      return async () => {
        for (const one of intruders) assert.match(await one.ended(), /^HTTP\/1\.1 408 /);
        stop();
      };
    },
    'connections that say nothing': async () => {
      const intruders = await crowd(server, short ? 500 : 10_000, '');
      return () => intruders.forEach((one) => one.destroy());
    },
    'sockets that never connect': async () => {
      const intruders = await crowd(server, MANY, () => handshake(server).bytes);
      return () => intruders.forEach((one) => one.destroy());
    },
    'comers and goers': async () => {
      let going = true;
      const churn = (async () => {
        while (going) {
          const some = await crowd(server, 20, () => handshake(server).bytes);
          some.forEach((one) => one.destroy());
        }
      })();
      return async () => {
        going = false;
        await churn;
      };
    },
  };
  for (const [name, attack] of Object.entries(attacks)) {
    await step(t, server, name, async () => {
      const figures = await withstand(server, project, attack, { memory: 64 * 1024 });
      t.diagnostic(`${name}: ${figures}`);
    });
  }
  await until(async () => (await server.metric('connections')) < 20, 'all of them to be gone');
});

/** The head of a frame that promises `length` bytes, and the first of them. */
function promise(length) {
  const head = Buffer.alloc(15);
  head[0] = 0x82;
  head[1] = 0xff;
  head.writeBigUInt64BE(length, 2);
  return head;
}

serverTest('frames that promise too much', { ...QUIET, 'realtime.connect_timeout': '1s' }, async (server, t) => {
  const project = await Project.create(server);
  for (const [length, code] of [[2n ** 63n, 1002], [2n ** 63n - 1n, 1009], [2n ** 32n, 1009], [65537n, 1009]]) {
    await step(t, server, `${length} bytes`, async () => {
      const socket = await RawWebSocket.open(server);
      await socket.connect({ auth: project.token('u1'), project_id: project.id });
      socket.write(promise(length));
      assert.equal((await socket.closed()).code, code);
    });
  }
  await step(t, server, 'frames that are begun and never ended', async () => {
    const attack = async () => {
      const begun = frame('x'.repeat(60_000)).subarray(0, 50_000);
      const intruders = await crowd(server, short ? 100 : 400, () => handshake(server).bytes);
      intruders.forEach((one) => one.write(begun));
      return async () => {
        for (const one of intruders) await one.ended();
      };
    };
    t.diagnostic(await withstand(server, project, attack, { memory: 64 * 1024 }));
  });
  await step(t, server, 'a flood of pings, and of commands', async () => {
    const attack = async () => {
      const intruders = await crowd(server, 10, () => handshake(server).bytes, { reads: false });
      const pings = Buffer.concat(Array.from({ length: 500 }, () => frame('p', { opcode: OPCODE.ping })));
      const stop = drip(intruders, pings, 200);
      return () => {
        stop();
        intruders.forEach((one) => one.destroy());
      };
    };
    t.diagnostic(await withstand(server, project, attack));
  });
});

serverTest('a client that never reads while its user gets many events', { ...QUIET, 'history.max_events': 1000 }, async (server, t) => {
  const project = await Project.create(server);
  const events = short ? 40_000 : 100_000;
  // Long names make long messages: the kernel holds some MiB before the server's own queue fills.
  const user = 'busy'.repeat(60);
  const slow = await RawWebSocket.open(server, { answerPings: false });
  await slow.connect({ auth: project.token(user), project_id: project.id });
  slow.tcp.pause();
  const before = server.memory('RssAnon');
  for (let i = 0; i < events; i += 1000)
    await project.batch(Array.from({ length: 1000 }, (_, k) => ({ order_id: i + k + 1, user_external_id: user })));
  await until(async () => (await server.metric('closes_total{reason="slow"}')) === 1, 'the slow client to be closed');
  const grown = server.memory('RssAnon') - before;
  t.diagnostic(`${events} events: memory +${grown} KiB`);
  assert.ok(grown < (short ? 600 : 160) * 1024, `memory grew by ${grown} KiB`);
});

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** Tokens that are signed well and are wrong all the same. */
function hostileTokens(project) {
  const sign = (header, claims) => {
    const text = `${b64(header)}.${b64(claims)}`;
    return `${text}.${createHmac('sha256', project.secret).update(text).digest('base64url')}`;
  };
  const exp = Math.floor(Date.now() / 1000) + 600;
  const good = { alg: 'HS256', typ: 'JWT' };
  return {
    'no algorithm': `${b64({ alg: 'none' })}.${b64({ sub: 'u1', exp })}.`,
    'an empty signature': `${b64(good)}.${b64({ sub: 'u1', exp })}.`,
    'compressed claims': sign({ ...good, zip: 'DEF', crit: ['zip'] }, { sub: 'u1', exp }),
    'a key of its own': sign({ ...good, jwk: { kty: 'oct', k: b64('x') }, crit: ['jwk'] }, { sub: 'u1', exp }),
    'too long for a token': sign(good, { sub: 'u1', exp, filler: 'x'.repeat(6000) }),
    'a user too long': sign(good, { sub: 'u'.repeat(256), exp }),
    'a user with a NUL': sign(good, { sub: 'u\u00001', exp }),
    'no end': sign(good, { sub: 'u1' }),
    'ended': sign(good, { sub: 'u1', exp: exp - 10_000 }),
    'not begun': sign(good, { sub: 'u1', exp, nbf: exp - 10 }),
    'claims nested deeply': sign(good, `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`),
    'a thousand dots': '.'.repeat(1000),
    'not a token': 'Bearer',
  };
}

serverTest('tokens that are hostile, and floods of tokens', { ...QUIET, 'limits.requests_per_user': 0 }, async (server, t) => {
  const project = await Project.create(server);
  await project.create('u1', { order_id: 1 });
  for (const [name, token] of Object.entries(hostileTokens(project))) {
    await step(t, server, name, async () => {
      const { status, json } = await project.getOrder(1, token);
      assert.ok(status === 401 || status === 431, `${status}`);
      assert.equal(json.statusCode, status);
      const socket = await RawWebSocket.open(server);
      socket.send(JSON.stringify({ id: 1, connect: { data: { auth: token, project_id: project.id } } }));
      assert.match(String((await socket.closed()).code), /^(3500|3501)$/);
    });
  }
  const good = project.token('u1');
  for (const [name, token] of [['good', good], ['bad', `${good.slice(0, -6)}AAAAAA`]]) {
    await step(t, server, `a flood of ${name} tokens`, async () => {
      const request = `GET /api/v2/project/${project.id}/order/1 HTTP/1.1\r\n${HOST}Authorization: Bearer ${token}\r\n\r\n`;
      const attack = async () => {
        const intruders = await crowd(server, 20, '');
        const stop = drip(intruders, request.repeat(10), 100);
        return () => {
          stop();
          intruders.forEach((one) => one.destroy());
        };
      };
      t.diagnostic(await withstand(server, project, attack));
    });
  }
});

serverTest('tricks with paths and fields', QUIET, async (server, t) => {
  const project = await Project.create(server);
  await project.create('u1', { order_id: 1 });
  const authorization = `Authorization: Bearer ${project.token('u1')}\r\n`;
  const order = `/api/v2/project/${project.id}/order/1`;
  const rows = [
    // [request line and fields, statuses that are right]
    [`GET ${order} HTTP/1.1\r\n`, [200]],
    [`GET http://a${order} HTTP/1.1\r\n`, [200]],
    [`GET ${order}?x=%00%0d%0aSet-Cookie: HTTP/1.1\r\n`, [200]],
    [`GET /${order} HTTP/1.1\r\n`, [404]],
    [`GET ${order}/ HTTP/1.1\r\n`, [404]],
    [`GET /api/v2/../v2/project/${project.id}/order/1 HTTP/1.1\r\n`, [404]],
    [`GET /api/v2/%2e%2e/v2/project/${project.id}/order/1 HTTP/1.1\r\n`, [404]],
    [`GET /api/v2/project/${project.id}/order%2f1 HTTP/1.1\r\n`, [404]],
    [`GET /api/v2/project/${project.id}/order/%31 HTTP/1.1\r\n`, [200]],
    [`GET /api/v2/project/${project.id}/order/1%00 HTTP/1.1\r\n`, [400, 404]],
    [`GET /api/v2/project/${project.id}/order/1\0 HTTP/1.1\r\n`, [400]],
    [`GET /api/v2/project/${project.id}/order/1%0d%0aX:%201 HTTP/1.1\r\n`, [400, 404]],
    [`GET /api/v2/project/-1/order/1 HTTP/1.1\r\n`, [404]],
    [`GET /api/v2/project/99999999999999999999/order/1 HTTP/1.1\r\n`, [404]],
    [`GET /api/v2/project/${project.id}/order/1e0 HTTP/1.1\r\n`, [404]],
    [`GET /server/v1/project/${project.id}/../../../admin/v1/projects HTTP/1.1\r\n`, [404]],
    [`GET /admin/v1/projects HTTP/1.1\r\nX-Original-URL: /health\r\nX-Rewrite-URL: /health\r\n`, [401]],
    [`GET /ADMIN/V1/PROJECTS HTTP/1.1\r\n`, [404]],
    [`GET * HTTP/1.1\r\n`, [400, 404]],
    [`CONNECT a:443 HTTP/1.1\r\n`, [400, 404, 405]],
    [`TRACE /health HTTP/1.1\r\n`, [405]],
    [`GET ${order} HTTP/1.1\r\nHost: b\r\n`, [400]],
    [`GET ${order} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n`, [400]],
    [`GET ${order} HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n`, [400, 501]],
    [`GET ${order} HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n`, [400]],
    [`GET ${order} HTTP/1.1\r\nX: a\nY: b\r\n`, [400]],
    [`GET ${order} HTTP/1.1\r\nX : a\r\n`, [400]],
  ];
  for (const [line, statuses] of rows) {
    await step(t, server, JSON.stringify(line.slice(0, 90)), async () => {
      const intruder = new Intruder(server, `${line}${HOST}${authorization}Connection: close\r\n\r\n`);
      const status = await intruder.status();
      assert.ok(statuses.includes(status), `${status}: ${intruder.text}`);
    });
  }

  await step(t, server, 'nothing that is echoed begins a line of its own', async () => {
    const hostile = ['a\r\nSet-Cookie: x=1', 'a%0d%0aSet-Cookie:%20x=1', 'a\nSet-Cookie: x=1', 'a\u0000b', '\u00e9\u2028'];
    for (const value of hostile) {
      const head = `OPTIONS ${order} HTTP/1.1\r\n${HOST}Origin: https://a.example${value}\r\nAccess-Control-Request-Method: GET\r\n`;
      for (const name of ['Access-Control-Request-Headers', 'Sec-WebSocket-Protocol', 'X-Request-Id']) {
        const intruder = new Intruder(server, Buffer.from(`${head}${name}: ${value}\r\nConnection: close\r\n\r\n`, 'latin1'));
        const text = await intruder.ended();
        assert.doesNotMatch(text, /^set-cookie/im);
        assert.doesNotMatch(text.split('\r\n\r\n')[0], /\0/);
      }
      const order_id = 100 + hostile.indexOf(value);
      const user = 'u2';
      const made = await project.request('POST', '/orders', {
        user_external_id: user, order_id, content: { price: { amount: value, amount_without_discount: value, currency: 'USD' } },
      });
      if (made.status !== 201) continue;
      const answer = await project.getOrder(order_id, project.token(user));
      assert.equal(answer.headers.get('set-cookie'), null);
      assert.equal(answer.json.content.price.amount, value);
    }
  });
});

serverTest('more connections than are allowed', { ...QUIET, 'limits.connections': 50, 'limits.connections_per_user': 3 }, async (server, t) => {
  const project = await Project.create(server);
  await step(t, server, 'of one user', async () => {
    const auth = project.token('u1');
    const sockets = [];
    for (let i = 0; i < 3; i++) {
      sockets.push(await RawWebSocket.open(server));
      await sockets[i].connect({ auth, project_id: project.id });
    }
    const more = await RawWebSocket.open(server);
    more.send(JSON.stringify({ id: 1, connect: { data: { auth, project_id: project.id } } }));
    assert.equal((await more.closed()).code, 3013);
    sockets[0].destroy();
    await until(async () => {
      const again = await RawWebSocket.open(server);
      again.send(JSON.stringify({ id: 1, connect: { data: { auth, project_id: project.id } } }));
      return again.text().then(() => true, () => false);
    }, 'a place to become free');
  });
  await step(t, server, 'in all', async () => {
    const intruders = await crowd(server, 100, '');
    await until(() => intruders.filter((one) => one.isOpen).length <= 50, 'those above to be closed');
    assert.ok(intruders.filter((one) => one.isOpen).length >= 30);
    intruders.forEach((one) => one.destroy());
    await until(async () => (await call(`${server.url}/health`).catch(() => ({}))).status === 200, 'room again');
  });
});

serverTest('connections and rates of one address', {
  ...QUIET, 'limits.connections_per_address': 20, 'limits.handshakes_per_address': 5, 'limits.requests_per_address': 10,
}, async (server, t) => {
  const project = await Project.create(server);
  await project.create('u1', { order_id: 1 });
  await step(t, server, 'handshakes', async () => {
    const statuses = [];
    for (let i = 0; i < 15; i++) {
      const socket = await RawWebSocket.open(server, { mayFail: true });
      statuses.push(socket.handshake.status);
      socket.destroy();
    }
    assert.deepEqual(statuses.slice(0, 10), Array(10).fill(101));
    assert.ok(statuses.includes(503), `${statuses}`);
    assert.ok((await server.metric('requests_refused_total{limit="handshakes"}')) > 0);
  });
  await step(t, server, 'requests', async () => {
    const token = project.token('u1');
    const statuses = [];
    for (let i = 0; i < 40; i++) statuses.push((await project.getOrder(1, token)).status);
    assert.deepEqual(statuses.slice(0, 20), Array(20).fill(200));
    assert.ok(statuses.includes(429), `${statuses}`);
    assert.equal((await project.set(1, 'paid')).applied, true, 'the merchant is not held to it');
  });
  await step(t, server, 'connections', async () => {
    const intruders = await crowd(server, 40, '');
    await until(() => intruders.filter((one) => one.isOpen).length <= 20, 'those above to be closed');
    assert.match(server.log, /connections are refused.*"address":"127\.0\.0\.1"/);
    intruders.forEach((one) => one.destroy());
    await until(async () => (await call(`${server.url}/health`).catch(() => ({}))).status === 200, 'room again');
    assert.ok((await server.metric('connections_refused_total{limit="connections_per_address"}')) > 0);
  });
});

serverTest('behind a proxy it is the client who is counted', {
  ...QUIET, 'proxy.trusted': '127.0.0.0/8', 'limits.connections_per_address': 3, 'limits.requests_per_address': 5,
}, async (server) => {
  const project = await Project.create(server);
  await project.create('u1', { order_id: 1 });
  const token = project.token('u1');
  const ask = async (client) => (await project.getOrder(1, token, { headers: { 'x-forwarded-for': client } })).status;
  const intruders = await crowd(server, 20, '');
  const statuses = [];
  for (let i = 0; i < 25; i++) statuses.push(await ask('192.0.2.1'));
  assert.ok(statuses.includes(429), `${statuses}`);
  assert.equal(await ask('192.0.2.2'), 200);
  assert.ok(intruders.every((one) => one.isOpen));
});

serverTest('rates of one user', { ...QUIET, 'limits.requests_per_user': 5 }, async (server) => {
  const project = await Project.create(server);
  await project.create('u1', { order_id: 1 });
  await project.create('u2', { order_id: 2 });
  const answers = [];
  for (let i = 0; i < 30; i++) answers.push(await project.getOrder(1, project.token('u1')));
  const refused = answers.filter((one) => one.status === 429);
  assert.ok(refused.length >= 10, `${refused.length} of 30 were refused`);
  assert.ok(answers.slice(0, 10).every((one) => one.status === 200), 'ten may come at once');
  for (const one of refused) {
    assert.equal(one.headers.get('retry-after'), '1');
    assert.equal(one.json.statusCode, 429);
  }
  assert.equal((await project.getOrder(2, project.token('u2'))).status, 200, 'another user does not notice');
});
