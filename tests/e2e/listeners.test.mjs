// SPDX-License-Identifier: Apache-2.0
// How clients reach the server: through proxies that are trusted and strangers who pretend to be some.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { call } from './lib/api.mjs';
import { serverTest } from './lib/server.mjs';

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
