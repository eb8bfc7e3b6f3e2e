// SPDX-License-Identifier: Apache-2.0
// How clients reach the server: through proxies that are trusted and strangers who pretend to be some.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { call } from './lib/api.mjs';
import { binary, cleanEnvironment, Server, serverTest } from './lib/server.mjs';

const run = promisify(execFile);

let number = 77640;

/** The address that the record of actions names for a request with these header fields. */
async function recordedAddress(server, headers) {
  const { status } = await call(`${server.url}/admin/v1/projects`, {
    method: 'POST',
    body: { project_id: ++number },
    headers: { authorization: `Bearer ${server.adminKey}`, ...headers },
  });
  assert.equal(status, 201);
  const lines = (await readFile(path.join(server.data, 'audit.log'), 'utf8')).trim().split('\n');
  return JSON.parse(lines.at(-1)).address;
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
    await server.kill();
    await server.start();
    assert.match((await run(binary, list, { env: cleanEnvironment() })).stdout, /no project/);
    await server.stop();
    await assert.rejects(stat(socket), { code: 'ENOENT' });
  } finally {
    await server.destroy();
  }
});
