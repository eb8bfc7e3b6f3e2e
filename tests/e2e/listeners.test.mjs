// SPDX-License-Identifier: Apache-2.0
// How clients reach the server: through proxies that are trusted and strangers who pretend to be some.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { call } from './lib/api.mjs';
import { Authority } from './lib/certificates.mjs';
import { deferred, until, within } from './lib/events.mjs';
import { binary, cleanEnvironment, Server, serverTest } from './lib/server.mjs';

const run = promisify(execFile);

let number = 77640;

async function lastAddress(server) {
  const lines = (await readFile(path.join(server.data, 'audit.log'), 'utf8')).trim().split('\n');
  return JSON.parse(lines.at(-1)).address;
}

/** The address that the record of actions names for a request with these header fields. */
async function recordedAddress(server, headers) {
  const { status } = await call(`${server.url}/admin/v1/projects`, {
    method: 'POST',
    body: { project_id: ++number },
    headers: { authorization: `Bearer ${server.adminKey}`, ...headers },
  });
  assert.equal(status, 201);
  return lastAddress(server);
}

serverTest('a stranger does not choose its address', { 'proxy.trusted': '10.0.0.0/8,unix' }, async (server) => {
  assert.equal(await recordedAddress(server, { 'x-forwarded-for': '198.51.100.7' }), '127.0.0.1');
  assert.equal(await recordedAddress(server, { forwarded: 'for=198.51.100.7' }), '127.0.0.1');
});

serverTest('a trusted proxy names the client', { 'proxy.trusted': '127.0.0.0/8, 10.0.0.0/8' }, async (server) => {
  for (const [list, client] of [
    ['198.51.100.7', '198.51.100.7'],
    ['192.0.2.1, 198.51.100.7, 10.0.0.3', '198.51.100.7'],
    ['192.0.2.1, nonsense, 10.0.0.3', '10.0.0.3'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
  ])
    assert.equal(await recordedAddress(server, { 'x-forwarded-for': list }), client, list);
  assert.equal(await recordedAddress(server, { forwarded: 'for=198.51.100.7' }), '127.0.0.1');
});

serverTest('Forwarded instead of X-Forwarded-For', { 'proxy.trusted': '127.0.0.1', 'proxy.header': 'forwarded' }, async (server) => {
  const headers = { forwarded: 'for=192.0.2.1, For="[2001:db8::7]:4711";proto=https', 'x-forwarded-for': '192.0.2.9' };
  assert.equal(await recordedAddress(server, headers), '2001:db8::7');
});

const privately = { listen_private: '127.0.0.1:0' };

serverTest('with a private address the public one has the buyers\' side alone', privately, async (server) => {
  const admin = { authorization: `Bearer ${server.adminKey}` };
  const unknown = (await call(`${server.url}/no/such/path`)).json;
  for (const [method, address] of [
    ['GET', '/metrics'],
    ['GET', '/ready'],
    ['GET', '/admin/v1/projects'],
    ['DELETE', '/admin/v1/projects'],
    ['OPTIONS', '/admin/v1/projects'],
    ['GET', '/server/v1/project/77640/orders'],
  ]) {
    const { status, json, headers } = await call(`${server.url}${address}`, { method, headers: admin });
    assert.equal(status, 404, `${method} ${address}`);
    assert.equal(headers.get('allow'), null);
    assert.deepEqual({ ...json, transactionId: '' }, { ...unknown, transactionId: '' });
  }
  assert.equal((await call(`${server.url}/health`)).status, 200);
  assert.equal((await call(`${server.privateUrl}/health`)).status, 200);
  assert.equal((await call(`${server.privateUrl}/admin/v1/projects`, { headers: admin })).status, 200);
  const page = { origin: 'https://shop.example', 'access-control-request-method': 'GET' };
  const order = `${server.url}/api/v2/project/77640/order/1`;
  assert.equal((await call(order, { method: 'OPTIONS', headers: page })).status, 204);
  assert.equal((await call(order)).status, 401);
});

serverTest('each route is where its table says', privately, async (server) => {
  const { stdout } = await run(binary, ['routes', '--json'], { env: cleanEnvironment() });
  const routes = JSON.parse(stdout);
  const isBuyers = /^\/(api\/v2|connection|emulation|sub|health)(\/|$)/;
  assert.ok(routes.length > 40);
  for (const { method, pattern, side, access } of routes) {
    assert.equal(side, isBuyers.test(pattern) ? 'public' : 'private', pattern);
    assert.ok(['none', 'user token', 'merchant key', 'admin key'].includes(access), pattern);
    const address = pattern.replace(/\{\w+\}/g, '77640');
    /** A method that no route has is told which ones are there. */
    const isThere = async (url) => {
      const { status, headers } = await call(`${url}${address}`, { method: 'PUT' });
      assert.ok([404, 405].includes(status));
      return status === 405 && headers.get('allow').split(', ').includes(method);
    };
    assert.ok(await isThere(server.privateUrl), `${method} ${pattern} on the private address`);
    assert.equal(await isThere(server.url), side === 'public', `${method} ${pattern} on the public address`);
  }
});

serverTest('the way to https', { listen_redirect: '127.0.0.1:0', redirect_port: 8443 }, async (server) => {
  const port = Number(new URL(server.redirectUrl).port);
  const ask = (head) => say({ port }, '', asIs, `${head}Connection: close\r\n\r\n`);
  const to = (answer) => /^HTTP\/1\.1 308 [^]*\r\nLocation: ([^\r]*)\r\n/.exec(answer)?.[1];
  const shop = 'Host: shop.example:80\r\n';
  assert.equal(to(await ask(`GET /api/v2/x?wait=1 HTTP/1.1\r\n${shop}`)), 'https://shop.example:8443/api/v2/x?wait=1');
  assert.equal(to(await ask(`POST /health HTTP/1.1\r\n${shop}Content-Length: 5\r\n`)), 'https://shop.example:8443/health');
  assert.equal(to(await ask(`OPTIONS /connection/sse HTTP/1.1\r\nHost: [::1]\r\nOrigin: https://a\r\n`)), 'https://[::1]:8443/connection/sse');
  assert.equal(to(await ask(`GET http://other.example/a HTTP/1.1\r\n${shop}`)), 'https://shop.example:8443/a');
  for (const head of ['GET / HTTP/1.1\r\nHost: a@b\r\n', 'GET / HTTP/1.1\r\nHost: a b\r\n', 'GET / HTTP/1.0\r\n', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n']) {
    const answer = await ask(head);
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.doesNotMatch(answer, /Location/);
  }
});

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const address4 = Buffer.from('c6336407c0000201020301bb', 'hex');
const address6 = Buffer.from(`20010db8${'0'.repeat(22)}07${'0'.repeat(32)}020301bb`, 'hex');
const binary2 = (command, family, ...rest) => {
  const body = Buffer.concat(rest);
  return Buffer.concat([signature, Buffer.from([0x20 | command, family, body.length >> 8, body.length & 255]), body]);
};
const headers = [
  [Buffer.from('PROXY TCP4 198.51.100.7 192.0.2.1 515 443\r\n'), '198.51.100.7'],
  [Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 515 443\r\n'), '2001:db8::7'],
  [Buffer.from('PROXY UNKNOWN\r\n'), '127.0.0.1'],
  [binary2(1, 0x11, address4), '198.51.100.7'],
  [binary2(1, 0x21, address6, Buffer.from('04000474657874', 'hex')), '2001:db8::7'],
  [binary2(0, 0), '127.0.0.1'],
];

/** Says `header`, then what `begin` makes of the connection; all that is answered. */
async function say(server, header, begin, request) {
  const answer = deferred();
  const socket = net.connect(server.port, '127.0.0.1');
  let text = '';
  socket.write(header);
  const stream = begin(socket);
  stream.on('data', (bytes) => (text += bytes));
  for (const one of new Set([socket, stream])) one.on('error', () => answer.resolve(text));
  stream.on('close', () => answer.resolve(text));
  if (request) stream.write(request);
  try {
    return await within(answer.promise, 'the end of the connection');
  } finally {
    socket.destroy();
  }
}

const asIs = (socket) => socket;

/** A project made by this connection; the address that the record of actions names. */
async function addressBehind(server, header, begin, field = '') {
  const body = JSON.stringify({ project_id: ++number });
  const head = `POST /admin/v1/projects HTTP/1.1\r\nHost: a\r\n${field}Authorization: Bearer ${server.adminKey}\r\n`;
  const request = `${head}Content-Type: application/json\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  assert.match(await say(server, header, begin, request), /^HTTP\/1\.1 201 /);
  return lastAddress(server);
}

const proxied = { 'proxy.protocol': true, 'proxy.trusted': '127.0.0.1' };

serverTest('the PROXY protocol', proxied, async (server) => {
  for (const [header, client] of headers) assert.equal(await addressBehind(server, header, asIs), client, header.toString());
  const [header] = headers[0];
  assert.equal(await addressBehind(server, header, asIs, 'X-Forwarded-For: 192.0.2.9\r\n'), '198.51.100.7');
  const request = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';
  assert.equal(await say(server, Buffer.alloc(0), asIs, request), '', 'no header');
  assert.equal(await say(server, Buffer.from('PROXY TCP4 198.51.100.7 1 2\r\n'), asIs, request), '');
  assert.equal(await say(server, binary2(1, 0x11, address4.subarray(1)), asIs, request), '');
});

const one = { ...proxied, workers: 1, 'limits.connections_per_address': 1 };
serverTest('a client of the PROXY protocol with too many connections', one, async (server) => {
  const request = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';
  const first = server.own(net.connect(server.port, '127.0.0.1'));
  first.write(Buffer.concat([headers[0][0], Buffer.from(request)]));
  await once(first, 'data');
  assert.equal(await say(server, headers[0][0], asIs, request), '');
  assert.equal(await say(server, headers[3][0], asIs, request), '');
  assert.match(await say(server, headers[1][0], asIs, request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')), / 200 /);
  assert.match(server.log, /connections are refused.*"address":"198\.51\.100\.7"/);
  assert.equal(server.log.split('connections are refused').length, 2, 'said once in a while');
});

serverTest('proxies are taken up by SIGHUP', { workers: 1 }, async (server) => {
  const file = path.join(server.data, 'orderwire.yaml');
  const reload = async (text, outcome) => {
    await writeFile(file, text);
    server.reload();
    await until(outcome, text);
  };
  const forwarded = { forwarded: 'for=198.51.100.7' };
  await writeFile(file, 'proxy:\n  trusted: 10.0.0.0/8\n');
  await server.stop();
  await server.start({ ORDERWIRE_CONFIG: file });
  assert.equal(await recordedAddress(server, { 'x-forwarded-for': '198.51.100.7' }), '127.0.0.1');
  await reload('proxy:\n  trusted: 127.0.0.1\n', async () =>
    (await recordedAddress(server, { 'x-forwarded-for': '198.51.100.7' })) === '198.51.100.7');
  assert.equal(await recordedAddress(server, forwarded), '127.0.0.1');
  await reload('proxy:\n  trusted: 127.0.0.1\n  header: forwarded\n', async () =>
    (await recordedAddress(server, forwarded)) === '198.51.100.7');
  const request = 'GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  await reload('proxy:\n  trusted: 127.0.0.1\n  protocol: true\n', async () =>
    / 200 /.test(await say(server, headers[0][0], asIs, request)));
  assert.equal(await say(server, Buffer.alloc(0), asIs, request), '', 'no header');
  assert.doesNotMatch(server.log, /takes effect at the next start/);
});

serverTest('the PROXY protocol from a stranger', { ...proxied, 'proxy.trusted': '10.0.0.0/8' }, async (server) => {
  assert.equal(await say(server, headers[0][0], asIs, 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n'), '');
});

test('the PROXY protocol with TLS behind it', async (t) => {
  const authority = await Authority.create({ own: (resource) => (t.after(() => resource.destroy()), resource) });
  const files = await authority.files('server', ['DNS:localhost']);
  const server = await Server.start({ ...proxied, 'tls.cert_file': files.cert, 'tls.key_file': files.key });
  const encrypted = (socket) => tls.connect({ socket, ca: authority.ca, servername: 'localhost' });
  try {
    for (const [header, client] of headers) assert.equal(await addressBehind(server, header, encrypted), client, header.toString());
    assert.equal(await say(server, Buffer.alloc(0), encrypted), '', 'no header');
    await server.stop();
  } finally {
    await server.destroy();
  }
});

/** A directory for sockets; its path is short, as theirs must be. */
async function socketDirectory(t) {
  const directory = await mkdtemp(path.join(tmpdir(), 'ow-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test('Unix sockets', async (t) => {
  const directory = await socketDirectory(t);
  const socket = path.join(directory, 'private.sock');
  const server = await Server.start({ listen_private: `unix:${socket}` });
  try {
    assert.equal(server.privateUrl, `unix:${socket}`);
    assert.equal((await stat(socket)).mode & 0o777, 0o660);
    const list = ['project', 'list', '--data', server.data, '--server', server.privateUrl];
    assert.match((await run(binary, list, { env: cleanEnvironment() })).stdout, /no project/);
    await assert.rejects(run(binary, ['serve', '--listen', server.privateUrl, '--data', path.join(directory, 'data')], {
      env: cleanEnvironment(),
    }), /another server listens on this socket/);
    const words = (...first) => [...first, '--data', server.data, '--server', server.privateUrl];
    const inProject = ['--project', '77640'];
    const ask = (...first) => run(binary, words(...first), { env: cleanEnvironment() });
    await ask('project', 'create', '77640');
    const atPublic = run(binary, ['project', 'list', '--data', server.data, '--server', server.url], { env: cleanEnvironment() });
    await assert.rejects(atPublic, /nothing at this address\n\(a server with listen_private takes commands at that address alone: --server\)\n$/);
    await ask('order', 'create', ...inProject, '--user', 'u1', '--order-id', '1');
    const track = ask('track', '1', ...inProject, '--user', 'u1', '--json');
    let told = '';
    track.child.stdout.on('data', (text) => (told += text));
    await until(() => told.includes('"new","source":"websocket"'), 'track to tell new');
    await ask('order', 'set', '1', 'done', ...inProject);
    assert.match((await within(track, 'the end of track')).stdout, /"done","source":"websocket"/);
    const listen = ask('listen', ...inProject, '--forward-to', 'http://127.0.0.1:1/', '--trigger');
    await within(once(listen.child.stdout, 'data'), 'a webhook');
    listen.child.kill('SIGINT');
    await within(listen, 'the end of listen');
    await server.kill();
    await server.start();
    assert.match((await run(binary, list, { env: cleanEnvironment() })).stdout, /^77640 /m);
    await server.stop();
    await assert.rejects(stat(socket), { code: 'ENOENT' });
  } finally {
    await server.destroy();
  }
});

/** The answer to a request by a Unix socket. */
function askSocket(socketPath, address, headers, body) {
  const answer = deferred();
  const request = http.request({ socketPath, path: address, method: body ? 'POST' : 'GET', headers }, (response) => {
    let text = '';
    response.on('data', (bytes) => (text += bytes));
    response.on('end', () => answer.resolve({ status: response.statusCode, text }));
  });
  request.on('error', answer.reject);
  request.end(body);
  return within(answer.promise, 'the answer');
}

test('a proxy on the same machine, by a Unix socket', async (t) => {
  const socket = path.join(await socketDirectory(t), 'public.sock');
  for (const [trusted, client] of [['unix', '198.51.100.7'], ['0.0.0.0/0,::/0', 'unix']]) {
    const server = await Server.start({ listen: `unix:${socket}`, 'proxy.trusted': trusted });
    try {
      assert.equal(server.url, `unix:${socket}`);
      const headers = { authorization: `Bearer ${server.adminKey}`, 'content-type': 'application/json', 'x-forwarded-for': '198.51.100.7' };
      const { status } = await askSocket(socket, '/admin/v1/projects', headers, JSON.stringify({ project_id: ++number }));
      assert.equal(status, 201);
      assert.equal(await lastAddress(server), client);
      await server.stop();
    } finally {
      await server.destroy();
    }
  }
});
