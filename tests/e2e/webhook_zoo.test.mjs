// SPDX-License-Identifier: Apache-2.0
// Receivers that hang, drip, flood, lie and break, one by one and all at once. Each attempt ends with
// words in the record, within its time; a good receiver beside them does not notice; the server's
// memory stays where it was.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { Project } from './lib/api.mjs';
import { Authority } from './lib/certificates.mjs';
import { short, until } from './lib/events.mjs';
import { Receiver } from './lib/receiver.mjs';
import { Server, serverTest, step } from './lib/server.mjs';
import { PATIENT } from './lib/webhooks.mjs';

const run = promisify(execFile);
const TIMEOUT_MS = short ? 2_000 : 500;
const LATE_MS = short ? 4_000 : 1_000;
const GROWTH_MAX_KIB = 32 * 1024;
const OK = 'HTTP/1.1 200 OK\r\n';
const BOMB = gzipSync(Buffer.alloc(20_000_000));
const BOMB_IN_BOMB = gzipSync(gzipSync(Buffer.alloc(50_000_000)));

/** Resolves when the other side has closed. */
const closed = (socket) => new Promise((resolve) => (socket.destroyed ? resolve() : socket.once('close', resolve)));

/** Writes `piece` every few ms until the other side has closed. */
async function drip(socket, piece, ms = 15) {
  const timer = setInterval(() => socket.write(piece), ms);
  await closed(socket);
  clearInterval(timer);
}

/** Writes `piece` as fast as it is taken; how many bytes went out in `socket.flooded`. */
async function flood(socket, piece) {
  socket.flooded = 0;
  const pump = () => {
    while (!socket.destroyed) {
      socket.flooded += piece.length;
      if (!socket.write(piece)) return;
    }
  };
  socket.on('drain', pump);
  pump();
  await closed(socket);
}

const raw = (script) => ({ raw: script });
const says = (text) => raw(async (socket) => socket.end(text, 'latin1'));
const keepsSaying = (text) => raw(async (socket) => socket.write(text, 'latin1'));
const starts = (text, then) => raw(async (socket) => {
  socket.write(text);
  await then(socket);
});

/** What a receiver does, and what the record says: the status or the words, and the time it takes. */
const ZOO = {
  'hangs before the headers': { script: raw(closed), error: /no answer in time/, late: true },
  'drips header lines': { script: starts(OK, (socket) => drip(socket, 'X-A: b\r\n')), error: /not whole in time/, late: true },
  'drips one header line': { script: starts(`${OK}X-A: `, (socket) => drip(socket, 'b')), error: /not whole in time|in time/, late: true },
  'drips the body': {
    script: starts(`${OK}Content-Length: 100000\r\n\r\n`, (socket) => drip(socket, 'x')), error: /not whole in time/, late: true,
  },
  'drips chunks': {
    script: starts(`${OK}Transfer-Encoding: chunked\r\n\r\n`, (socket) => drip(socket, '1\r\nx\r\n')), error: /not whole in time/, late: true,
  },
  'drips 1xx answers': { script: raw((socket) => drip(socket, 'HTTP/1.1 102 Processing\r\n\r\n')), error: /in time/, late: true },
  'floods with 1xx answers': {
    script: raw((socket) => flood(socket, 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000))), error: /too many bytes of headers/,
  },
  'floods with header lines': {
    script: starts(OK, (socket) => flood(socket, 'X-Flood: yes\r\n'.repeat(1000))), error: /too many bytes of headers/,
  },
  'sends one endless header line': { script: starts(`${OK}X-A: `, (socket) => flood(socket, 'b'.repeat(10_000))), error: /too many bytes of headers/ },
  'sends an endless body': { script: starts(`${OK}\r\n`, (socket) => flood(socket, 'x'.repeat(65_536))), status: 200, body: /^x{4096}$/ },
  'sends an endless chunk': {
    script: starts(`${OK}Transfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n`, (socket) => flood(socket, 'x'.repeat(65_536))), status: 200,
    body: /^x{4096}$/,
  },
  'sends endless trailers': {
    script: starts(`${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n`, (socket) => flood(socket, 'X-Trailer: yes\r\n'.repeat(1000))),
    error: /too many bytes of headers|within the answer/,
  },
  'announces more than it ever sends': { script: says(`${OK}Content-Length: 10\r\n\r\nabc`), error: /within the answer/ },
  'sends a gzip bomb': {
    script: { headers: { 'content-encoding': 'gzip' }, body: BOMB }, status: 200,
    record: (attempt) => assert.match(attempt.response_body, /^\x1f/, 'as it came: nothing is decompressed'),
  },
  'sends a bomb in a bomb': { script: { headers: { 'content-encoding': 'gzip, gzip' }, body: BOMB_IN_BOMB }, status: 200 },
  'resets after the request': { script: raw(async (socket) => socket.resetAndDestroy()), error: /ended/ },
  'closes after the request': { script: raw(async (socket) => socket.destroy()), error: /ended without an answer/ },
  'closes within the headers': { script: says(`${OK}Content-Le`), error: /ended within the answer/ },
  'is no HTTP': { script: says('220 mail.example ESMTP\r\n'), error: /no HTTP/ },
  'speaks HTTP/0.9': { script: says('<html>ok</html>'), error: /no HTTP/ },
  'answers with nonsense for a status': { script: says('HTTP/1.1 abc OK\r\n\r\n'), error: /./ },
  'answers with broken chunks': { script: says(`${OK}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n`), error: /./ },
  'answers with two lengths': { script: says(`${OK}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc`) },
  'answers with a NUL and bytes that are no text': {
    script: says(`${OK}X-Bytes: \xff\xfe\r\nContent-Length: 3\r\n\r\n\xff\0\x80`), status: 200,
  },
  'speaks HTTP/1.0': { script: says('HTTP/1.0 200 OK\r\n\r\nolder than most'), status: 200, body: /^older than most$/ },
  'closes after the answer': { script: { status: 200, headers: { connection: 'close' }, body: 'bye' }, status: 200, body: /^bye$/ },
  'sends a few 1xx answers first': {
    script: keepsSaying(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`), status: 200,
    body: /^ok$/,
  },
  'answers 101 Switching Protocols': { script: keepsSaying('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n') },
};

/** The order's delivery to an endpoint, once its attempt is in the record. */
async function recorded(project, orderId, endpointId) {
  return until(async () => {
    const [delivery] = await project.deliveries(orderId, endpointId);
    return delivery?.finished_at && delivery;
  }, `the end of order ${orderId}'s delivery`);
}

serverTest('each of the zoo beside a healthy receiver', PATIENT, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const healthy = await Receiver.open(server);
  await project.webhook({ url: healthy.url });
  let order = 0;
  const memory = server.memory('VmRSS');

  for (const [name, { script, status, error, body, late, record }] of Object.entries(ZOO)) {
    await step(t, server, name, async () => {
      const receiver = await Receiver.open(server, { script });
      const hook = await project.webhook({ url: receiver.url, schedule: [], timeout: TIMEOUT_MS / 1000 });
      await project.create('u', { order_id: ++order });
      const good = await healthy.find((one) => one.orderId === order);
      const delivery = await recorded(project, order, hook.id);
      assert.equal(delivery.attempts.length, 1);
      assert.equal(receiver.all.length, 1, 'it went out once');
      const [attempt] = delivery.attempts;
      if (status !== undefined) assert.equal(attempt.status, status, attempt.error);
      if (error) {
        assert.match(attempt.error ?? `status ${attempt.status}`, error);
        assert.equal(delivery.state, 'dead');
      }
      if (body) assert.match(attempt.response_body, body);
      assert.ok(attempt.response_body === undefined || Buffer.byteLength(attempt.response_body) <= 3 * 4096);
      record?.(attempt);
      assert.ok(attempt.duration_ms < TIMEOUT_MS + LATE_MS, `it took ${attempt.duration_ms} ms`);
      if (late) {
        assert.ok(attempt.duration_ms >= TIMEOUT_MS - 50, `it took ${attempt.duration_ms} ms`);
        assert.ok(good.at < receiver.all[0].at + TIMEOUT_MS, 'the healthy one had it long before');
      }
      const { flooded = 0 } = receiver.all[0].socket;
      assert.ok(flooded < 16 * 1024 * 1024, `${flooded} bytes were taken`);
      await project.request('DELETE', `/webhooks/${hook.id}`);
      await receiver.close();
      receiver.close = async () => {};
    });
  }
  const grown = server.memory('VmHWM') - memory;
  t.diagnostic(`the server's memory rose by ${grown} KiB at most`);
  if (!short) assert.ok(grown < GROWTH_MAX_KIB, `memory rose by ${grown} KiB`);
  healthy.check();
});

serverTest('the whole zoo at once', PATIENT, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const healthy = await Receiver.open(server);
  const good = await project.webhook({ url: healthy.url });
  const copies = short ? 1 : 3;
  const hooks = [];
  for (const { script } of Object.values(ZOO)) {
    const receiver = await Receiver.open(server, { script });
    for (let i = 0; i < copies; i++)
      hooks.push(await project.webhook({ url: `${receiver.url}/${i}`, schedule: [0.1], timeout: TIMEOUT_MS / 1000 }));
  }
  const memory = server.memory('VmRSS');
  const posted = new Map();
  const orders = 10;
  for (let id = 1; id <= orders; id++) {
    posted.set(id, performance.now());
    await project.create('u', { order_id: id });
  }
  await healthy.count(orders);
  const slowest = Math.max(...healthy.all.map((one) => one.at - posted.get(one.orderId)));
  await until(async () => {
    const open = ['waiting', 'blocked'].map((state) => project.read(`/deliveries?state=${state}&limit=1`));
    return (await Promise.all(open)).every(({ deliveries }) => deliveries.length === 0);
  }, 'every delivery to end', 60_000);
  // That counts this process too, which plays the floods; what the server itself took is in its record.
  const begun = healthy.all.map(async ({ orderId }) => {
    const [{ created_at: created, attempts }] = await project.deliveries(orderId, good.id);
    return Date.parse(attempts[0].started_at) - Date.parse(created);
  });
  const held = Math.max(...(await Promise.all(begun)));
  const grown = server.memory('VmHWM') - memory;
  t.diagnostic(
    `${hooks.length} hostile endpoints: the healthy one waited ${slowest.toFixed(0)} ms at most, of it ${held} ms in the server, ` +
      `memory rose by ${grown} KiB at most, ${server.memory('VmRSS') - memory} KiB at the end`,
  );
  assert.ok(held < TIMEOUT_MS, `the healthy one was held for ${held} ms`);
  if (!short) assert.ok(grown < GROWTH_MAX_KIB, `memory rose by ${grown} KiB`);
  healthy.check();
});

serverTest('redirects are not followed', PATIENT, async (server) => {
  const project = await Project.withWebhooks(server);
  const trap = await Receiver.open(server);
  const receiver = await Receiver.open(server);
  const { id } = await project.webhook({ url: receiver.url, schedule: [] });
  let order = 0;
  for (const status of [300, 301, 302, 303, 304, 307, 308]) {
    for (const location of ['http://169.254.169.254/latest/meta-data/', trap.url, '//127.0.0.1/', 'file:///etc/passwd']) {
      receiver.script = { status, headers: { location } };
      await project.create('u', { order_id: ++order });
      const { state, attempts: [attempt] } = await recorded(project, order, id);
      assert.deepEqual([state, attempt.status], ['dead', status]);
      assert.match(attempt.error, /redirect, which is not followed/);
      assert.equal(attempt.address, `127.0.0.1:${receiver.port}`);
    }
  }
  assert.equal(trap.connections, 0);
  assert.equal(receiver.all.length, order);
});

serverTest('what is left over on a kept connection is no answer to the next webhook', PATIENT, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  const { id } = await project.webhook({ url: receiver.url, schedule: [], timeout: 2 });
  let order = 0;
  const forged = 'HTTP/1.1 500 Forged\r\nContent-Length: 6\r\n\r\nforged';
  for (const [name, text] of [
    ['204 with a body', `HTTP/1.1 204 No Content\r\nContent-Length: ${forged.length}\r\n\r\n${forged}`],
    ['204 with chunks', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
    ['a second answer', `${OK}Content-Length: 2\r\n\r\nok${forged}`],
    ['304 with a body', `HTTP/1.1 304 Not Modified\r\nContent-Length: ${forged.length}\r\n\r\n${forged}`],
  ]) {
    await step(t, server, name, async () => {
      // Raw too: node's own answer would wait for the end of the one before it.
      receiver.script = [keepsSaying(text), keepsSaying(`${OK}Content-Length: 4\r\n\r\ngood`)];
      await project.create('u', { order_id: ++order });
      const first = await recorded(project, order, id);
      assert.equal(first.attempts[0].status, Number(/\d{3}/.exec(text)[0]));
      await project.create('u', { order_id: ++order });
      const second = await recorded(project, order, id);
      assert.deepEqual([second.state, second.attempts[0].status, second.attempts[0].response_body], ['delivered', 200, 'good']);
      assert.equal(receiver.ofOrder(order).length, 1);
    });
  }
  await step(t, server, 'a kept connection that ends just then: the webhook goes out once an attempt', async () => {
    await project.request('PATCH', `/webhooks/${id}`, { schedule: [0.05] });
    for (let i = 0; i < 5; i++) {
      receiver.script = [{ body: 'kept' }, raw(async (socket) => socket.destroy()), {}];
      await project.create('u', { order_id: ++order });
      await receiver.count(1, 'the first', { matches: (one) => one.orderId === order });
      await project.create('u', { order_id: ++order });
      await until(async () => (await project.deliveries(order, id))[0]?.state === 'delivered', 'it to be delivered');
      const [delivery] = await project.deliveries(order, id);
      assert.equal(receiver.ofOrder(order).length, delivery.attempt_count);
    }
  });
});

serverTest('connections are reused, and no more of them than are wanted', {}, async (server) => {
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server, { script: { delay: 2 } });
  await project.webhook({ url: receiver.url, concurrency: 4 });
  await project.batch(Array.from({ length: 200 }, (_, i) => ({ order_id: i + 1, user_external_id: 'u' })));
  await receiver.count(200);
  assert.ok(receiver.connections <= 8, `${receiver.connections} connections for 200 webhooks, 4 at a time`);
});

test('the environment has no say: proxies, .netrc, cookies', async () => {
  const server = await Server.start(PATIENT);
  const home = await mkdtemp(path.join(tmpdir(), 'orderwire-home-'));
  try {
    const proxy = await Receiver.open(server);
    await writeFile(path.join(home, '.netrc'), 'machine 127.0.0.1 login user password hidden\n', { mode: 0o600 });
    await writeFile(path.join(home, '.curlrc'), `proxy = ${proxy.origin}\n`);
    await server.kill();
    const names = ['http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];
    await server.start({ HOME: home, ...Object.fromEntries(names.map((name) => [name, proxy.origin])), no_proxy: '' });
    const project = await Project.withWebhooks(server);
    const receiver = await Receiver.open(server, { script: { headers: { 'set-cookie': 'a=b' } } });
    await project.webhook({ url: receiver.url });
    for (let id = 1; id <= 2; id++) {
      await project.create('u', { order_id: id });
      await receiver.count(id);
    }
    for (const received of receiver.all) {
      assert.equal(received.headers.authorization, undefined);
      assert.equal(received.headers.cookie, undefined);
    }
    assert.equal(proxy.connections, 0);
    await server.stop();
  } finally {
    await server.destroy();
    await rm(home, { recursive: true, force: true });
  }
});

/** Whether this machine has IPv6 at all. */
async function hasIpv6() {
  const probe = net.createServer();
  const ok = await new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(0, '::1', () => resolve(true));
  });
  probe.close();
  return ok;
}

serverTest('addresses: IPv6 only, a name with two, the allow list to the bit', PATIENT, async (server, t) => {
  const project = await Project.create(server);
  let order = 0;
  const attemptAt = async (url, allowed) => {
    await project.change({ webhook_allow_cidrs: ['127.0.0.0/8', '::1/128'] });
    const { id } = await project.webhook({ url, schedule: [], timeout: 2 });
    await project.change({ webhook_allow_cidrs: allowed });
    await project.create('u', { order_id: ++order });
    const { state, attempts } = await recorded(project, order, id);
    await project.request('DELETE', `/webhooks/${id}`);
    return { state, ...attempts[0] };
  };
  const four = await Receiver.open(server);

  if (await hasIpv6()) {
    const six = await Receiver.open(server, { host: '::1' });
    await step(t, server, 'an IPv6 address', async () => {
      const { state, address } = await attemptAt(six.url, ['::1/128']);
      assert.deepEqual([state, address], ['delivered', `[::1]:${six.port}`]);
      assert.equal(six.all[0].headers.host, `[::1]:${six.port}`);
    });
    await step(t, server, 'a name whose IPv6 address alone listens', async () => {
      assert.equal((await attemptAt(`http://localhost:${six.port}/`, ['::1/128'])).state, 'delivered');
      assert.equal((await attemptAt(`http://localhost:${six.port}/`, ['::1/128', '127.0.0.1/32'])).state, 'delivered');
    });
    await step(t, server, 'IPv6 that is not allowed', async () => {
      const { error } = await attemptAt(six.url, ['127.0.0.0/8']);
      assert.match(error, /may not go to this address/);
      assert.equal(six.all.length, 3);
    });
  } else {
    t.diagnostic('no IPv6 here');
  }
  await step(t, server, 'of a name\'s addresses the allowed one is taken', async () => {
    const { state, address } = await attemptAt(`http://localhost:${four.port}/`, ['127.0.0.1/32']);
    assert.deepEqual([state, address], ['delivered', `127.0.0.1:${four.port}`]);
  });
  await step(t, server, 'an address written as IPv4 in IPv6 is that address', async () => {
    const { error } = await attemptAt(`http://[::ffff:127.0.0.1]:${four.port}/`, ['::1/128']);
    assert.match(error, /may not go to this address/);
  });
  await step(t, server, 'the bits of a network', async () => {
    const before = four.all.length;
    for (const cidr of ['127.0.0.0/32', '127.0.0.2/31', '128.0.0.0/1', '::/0'])
      assert.match((await attemptAt(four.url, [cidr])).error, /may not go/, cidr);
    for (const cidr of ['127.0.0.0/31', '127.0.0.1/32', '0.0.0.0/1', '0.0.0.0/0'])
      assert.equal((await attemptAt(four.url, [cidr])).state, 'delivered', cidr);
    assert.equal(four.all.length, before + 4);
    assert.equal(four.connections <= before + 4 + 1, true);
  });
});

/** getaddrinfo() that answers for names below .test what a file says, read at each call. */
const RESOLVER = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef int resolve(const char *, const char *, const struct addrinfo *, struct addrinfo **);
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    resolve *real = (resolve *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *path = getenv("FAKE_NAMES");
    char line[256], key[128], address[64];
    struct addrinfo **tail = found;
    size_t length = name != NULL ? strlen(name) : 0;
    FILE *file;
    if (path == NULL || length < 5 || strcmp(name + length - 5, ".test") != 0 || (file = fopen(path, "r")) == NULL)
        return real(name, service, hints, found);
    *found = NULL;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%127s %63s", key, address) != 2 || strcmp(key, name) != 0)
            continue;
        if (real(address, service, hints, tail) != 0)
            continue;
        while (*tail != NULL)
            tail = &(*tail)->ai_next;
    }
    fclose(file);
    return *found != NULL ? 0 : EAI_NONAME;
}
`;

test('names: what they resolve to is checked at each connection', async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'orderwire-names-'));
  const names = path.join(directory, 'names');
  const library = path.join(directory, 'resolver.so');
  await writeFile(path.join(directory, 'resolver.c'), RESOLVER);
  await run('gcc', ['-shared', '-fPIC', '-o', library, path.join(directory, 'resolver.c'), '-ldl']);
  const server = await Server.start(PATIENT);
  try {
    await server.kill();
    const options = [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':');
    await server.start({ LD_PRELOAD: library, FAKE_NAMES: names, ASAN_OPTIONS: options });
    const project = await Project.withWebhooks(server);
    const good = await Receiver.open(server);
    // The same ports on an address that is not allowed: whatever comes there has got past the guard.
    const trap = await Receiver.open(server, { host: '127.0.0.2', port: good.port });
    const second = await Receiver.open(server, { script: { headers: { connection: 'close' } } });
    const secondTrap = await Receiver.open(server, { host: '127.0.0.2', port: second.port });
    const { id } = await project.webhook({ url: `http://one.test:${good.port}/hook`, schedule: [], timeout: 2 });
    let order = 0;
    const attempt = async (lines, url) => {
      await writeFile(names, `${lines.join('\n')}\n`);
      if (url) assert.equal((await project.request('PATCH', `/webhooks/${id}`, { url })).status, 200);
      await project.create('u', { order_id: ++order });
      const { state, attempts } = await recorded(project, order, id);
      return { state, ...attempts[0] };
    };

    const blocked = await attempt(['one.test 127.0.0.2']);
    assert.match(blocked.error, /may not go to this address/);
    const metadata = await attempt(['two.test 169.254.169.254', 'two.test ::ffff:169.254.169.254'], `http://two.test:${good.port}/`);
    assert.match(metadata.error, /may not go to this address/);
    const both = await attempt(['three.test 127.0.0.2', 'three.test 127.0.0.1'], `http://three.test:${good.port}/`);
    assert.deepEqual([both.state, both.address], ['delivered', `127.0.0.1:${good.port}`]);
    assert.equal(good.all[0].headers.host, `three.test:${good.port}`);
    // libcurl keeps what a name and port resolved to for a minute, so that the second look needs another port.
    const before = await attempt(['rebind.test 127.0.0.1'], `http://rebind.test:${good.port}/`);
    assert.equal(before.state, 'delivered');
    const after = await attempt(['rebind.test 127.0.0.2'], `http://rebind.test:${second.port}/`);
    assert.match(after.error, /may not go to this address/);
    const back = await attempt(['back.test 127.0.0.1'], `http://back.test:${second.port}/`);
    assert.equal(back.state, 'delivered');
    const none = await attempt(['other.test 127.0.0.1'], `http://none.test:${second.port}/`);
    assert.match(none.error, /name was not resolved/);
    assert.equal(trap.connections + secondTrap.connections, 0);
    assert.deepEqual([good.all.length, second.all.length], [2, 1]);
    await server.stop();
  } catch (error) {
    server.showLog();
    throw error;
  } finally {
    await server.destroy();
    await rm(directory, { recursive: true, force: true });
  }
});

serverTest('TLS', PATIENT, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const authority = await Authority.create(server);
  const stranger = await Authority.create(server, 'Another Authority');
  const good = await authority.issue(['IP:127.0.0.1', 'DNS:localhost']);
  const wrongName = await authority.issue(['IP:127.0.0.2', 'DNS:example.com']);
  const expired = await authority.issue(['IP:127.0.0.1'], { days: -1 });
  const clientOnly = await authority.issue(['IP:127.0.0.1'], { usage: 'clientAuth' });
  let order = 0;
  const attempt = async (receiver, settings = {}, url = receiver.url) => {
    const { id } = await project.webhook({ url, schedule: [], timeout: TIMEOUT_MS / 1000, ...settings });
    await project.create('u', { order_id: ++order });
    const { state, attempts } = await recorded(project, order, id);
    await project.request('DELETE', `/webhooks/${id}`);
    return { state, ...attempts[0] };
  };
  const receiver = await Receiver.open(server, { tls: good });

  await step(t, server, 'an authority of the endpoint\'s own', async () => {
    const { state, address } = await attempt(receiver, { ca: authority.ca });
    assert.deepEqual([state, address], ['delivered', `127.0.0.1:${receiver.port}`]);
    const named = await attempt(receiver, { ca: stranger.ca + authority.ca }, `https://localhost:${receiver.port}/`);
    assert.equal(named.state, 'delivered');
  });

  for (const [name, tls, ca, words] of [
    ['an unknown authority', good, undefined, /issuer is not known/],
    ['another authority', good, stranger.ca, /issuer is not known|not good/],
    ['an expired certificate', expired, authority.ca, /has expired/],
    ['a certificate of another host', wrongName, authority.ca, /another name/],
    ['a certificate that is not for servers', clientOnly, authority.ca, /certificate/],
  ]) {
    await step(t, server, name, async () => {
      const bad = await Receiver.open(server, { tls });
      const { state, status, error } = await attempt(bad, { ca });
      assert.deepEqual([state, status], ['dead', null]);
      assert.match(error, words);
      assert.equal(bad.all.length, 0, 'nothing was told');
    });
  }

  await step(t, server, 'TLS below 1.2, no TLS at all, a handshake that hangs', async () => {
    const old = await Receiver.open(server, {
      tls: { ...good, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    });
    assert.match((await attempt(old, { ca: authority.ca })).error, /handshake failed/);
    const plain = await Receiver.open(server);
    const { error } = await attempt(plain, { ca: authority.ca }, plain.url.replace('http:', 'https:'));
    assert.match(error, /handshake failed|ended/);
    const silent = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const sockets = [];
    silent.on('connection', (socket) => sockets.push(socket));
    const hung = await attempt(null, { ca: authority.ca }, `https://127.0.0.1:${silent.address().port}/`);
    assert.match(hung.error, /in time/);
    assert.ok(hung.duration_ms < TIMEOUT_MS + LATE_MS);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });

  await step(t, server, 'a client certificate', async () => {
    const client = await stranger.issue(['DNS:orderwire'], { subject: 'orderwire', usage: 'clientAuth' });
    const strict = await Receiver.open(server, { tls: { ...good, requestCert: true, rejectUnauthorized: true, ca: stranger.ca } });
    const peers = [];
    strict.listen((one) => peers.push(one.socket.getPeerCertificate().subject?.CN));
    const settings = { ca: authority.ca, client_cert: client.cert, client_key: client.key };
    assert.equal((await attempt(strict, settings)).state, 'delivered');
    assert.deepEqual(peers, ['orderwire']);
    const without = await attempt(strict, { ca: authority.ca });
    assert.equal(without.state, 'dead');
    assert.match(without.error, /./);
    const wrong = await authority.issue(['DNS:orderwire'], { usage: 'clientAuth' });
    assert.equal((await attempt(strict, { ca: authority.ca, client_cert: wrong.cert, client_key: wrong.key })).state, 'dead');
    const mismatch = await attempt(strict, { ...settings, client_key: wrong.key });
    assert.match(mismatch.error, /client certificate or its key/);
    assert.equal(strict.all.length, 1);

    const { id } = await project.webhook({ url: strict.url, ...settings });
    const shown = JSON.stringify(await project.read(`/webhooks/${id}`));
    assert.ok(!shown.includes('PRIVATE KEY') && shown.includes('BEGIN CERTIFICATE'), shown);
    const changed = await project.request('PATCH', `/webhooks/${id}`, { client_key: wrong.key });
    assert.ok(changed.status === 200 && !changed.text.includes('PRIVATE KEY'));
    await project.request('DELETE', `/webhooks/${id}`);
  });
});
