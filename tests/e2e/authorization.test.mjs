// SPDX-License-Identifier: Apache-2.0
// Who may do what: each route that `orderwire routes` lists × each credential → the answer. A route that has no row
// here fails the test.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { call, Project } from './lib/api.mjs';
import { within } from './lib/events.mjs';
import { RawWebSocket } from './lib/raw.mjs';
import { binary, cleanEnvironment, serverTest, step } from './lib/server.mjs';

const run = promisify(execFile);
const OURS = 77640;
const THEIRS = 88001;
const ABSENT = 999_999;

const basic = (name, key) => `Basic ${Buffer.from(`${name}:${key}`).toString('base64')}`;
const bearer = (token) => `Bearer ${token}`;

/**
 * By name: what stands in Authorization, the token in it where it is one, and what its owner is to our project:
 * `user` of order 1, `other` user, `merchant`, `admin`, or nobody.
 */
function credentials(ours, theirs, orders, adminKey) {
  const expired = ours.token('u1', { exp: Math.floor(Date.now() / 1000) - 3600 });
  const token = (text, role) => ({ authorization: bearer(text), token: text, role });
  return {
    'nothing': {},
    'an empty bearer': { authorization: 'Bearer ', token: '' },
    'nonsense': token('nonsense'),
    'a token of the user': token(ours.token('u1'), 'user'),
    'a token of another user': token(ours.token('u2'), 'other'),
    'an expired token': token(expired),
    "the order's payment token": token(orders[0].token, 'user'),
    "another user's payment token": token(orders[1].token, 'other'),
    'a token of the same user elsewhere': token(theirs.token('u1')),
    'a payment token of elsewhere': token(orders[2].token),
    'the project and its key': { authorization: basic(OURS, ours.key), role: 'merchant' },
    'the key as a bearer': token(ours.key),
    "the key under another project's number": { authorization: basic(THEIRS, ours.key) },
    "another project's key": { authorization: basic(THEIRS, theirs.key) },
    "another project's key under our number": { authorization: basic(OURS, theirs.key) },
    'a key that is one letter off': { authorization: basic(OURS, `${ours.key.slice(0, -1)}${ours.key.endsWith('a') ? 'b' : 'a'}`) },
    'an empty key': { authorization: basic(OURS, '') },
    "a user's token as a key": { authorization: basic(OURS, ours.token('u1')) },
    'the admin key': token(adminKey, 'admin'),
    'the admin key one letter off': token(`${adminKey.slice(0, -1)}${adminKey.endsWith('a') ? 'b' : 'a'}`),
    'the admin key as a key': { authorization: basic(OURS, adminKey) },
  };
}

/** Where it must not change anything, it is about what is not there. */
const places = { project: OURS, order: 1, webhook: ABSENT, replay: ABSENT, delivery: ABSENT, key: ABSENT };

/** "METHOD pattern" → what to send, and the answer to who may. */
const http = {
  'GET /api/v2/project/{project}/order/{order}': { status: 200 },
  'POST /server/v1/project/{project}/orders': { body: { user_external_id: 'u9', order_id: 9 }, status: [200, 201] },
  'GET /server/v1/project/{project}/orders': { status: 200 },
  'POST /server/v1/project/{project}/orders/batch': { body: '{"user_external_id":"u9","order_id":9}', status: 200 },
  'GET /server/v1/project/{project}/orders/{order}': { status: 200 },
  'PATCH /server/v1/project/{project}/orders/{order}': { body: { status: 'new' }, status: 200 },
  'POST /server/v1/project/{project}/revoke': { body: { user_external_id: 'nobody' }, status: 200 },
  'POST /server/v1/project/{project}/webhooks': { body: { url: 'not a url' }, status: 422 },
  'GET /server/v1/project/{project}/webhooks': { status: 200 },
  'GET /server/v1/project/{project}/webhooks/{webhook}': { status: 404 },
  'PATCH /server/v1/project/{project}/webhooks/{webhook}': { body: {}, status: 404 },
  'DELETE /server/v1/project/{project}/webhooks/{webhook}': { status: 404 },
  'POST /server/v1/project/{project}/webhooks/{webhook}/pause': { status: 404 },
  'POST /server/v1/project/{project}/webhooks/{webhook}/resume': { status: 404 },
  'POST /server/v1/project/{project}/webhooks/{webhook}/rotate': { status: 404 },
  'POST /server/v1/project/{project}/webhooks/{webhook}/test': { body: {}, status: [404, 422] },
  'POST /server/v1/project/{project}/webhooks/{webhook}/replay': { body: { since: '2026-01-01T00:00:00Z' }, status: 404 },
  'GET /server/v1/project/{project}/webhooks/{webhook}/replays/{replay}': { status: 404 },
  'GET /server/v1/project/{project}/webhooks/listen': { status: 426 },
  'GET /server/v1/project/{project}/deliveries': { status: 200 },
  'GET /server/v1/project/{project}/deliveries/{delivery}': { status: 404 },
  'POST /server/v1/project/{project}/deliveries/{delivery}/retry': { status: 404 },
  'POST /emulation': { body: { session: 'x', node: 'y', data: '{}' }, status: 404 },
  'GET /sub/order/status': { status: [400, 404, 426] },
  'GET /health': { status: 200 },
  'GET /ready': { status: 200 },
  'GET /metrics': { status: 200 },
  'POST /admin/v1/projects': { body: { project_id: OURS }, status: 409 },
  'GET /admin/v1/projects': { status: 200 },
  'GET /admin/v1/projects/{project}': { status: 200 },
  'PATCH /admin/v1/projects/{project}': { body: {}, status: [200, 422] },
  'POST /admin/v1/projects/{project}/rotate': { body: { overlap: -1 }, status: 422 },
  'POST /admin/v1/projects/{project}/keys': { body: { name: 7 }, status: [201, 422] },
  'GET /admin/v1/projects/{project}/keys': { status: 200 },
  'DELETE /admin/v1/projects/{project}/keys/{key}': { status: 404 },
  'POST /admin/v1/projects/{project}/tokens': { body: { user_external_id: 'u1' }, status: [200, 201] },
};

const connect = (token) => ({ id: 1, connect: { data: { auth: token, project_id: OURS } } });
const unidirectional = (token) => ({ data: { auth: token, project_id: OURS } });

/** The first message of an answer that does not end. */
async function first(url, options) {
  const controller = new AbortController();
  const response = await fetch(url, { ...options, signal: controller.signal });
  const reader = response.body.getReader();
  let text = '';
  while (!/"(connect|disconnect|error|statusCode)"/.test(text)) {
    const { value, done } = await within(reader.read(), 'a first message');
    if (done) break;
    text += Buffer.from(value).toString();
  }
  controller.abort();
  return text;
}

const live = {
  'GET /connection/websocket': async (server, token) => {
    const socket = await RawWebSocket.open(server);
    socket.send(JSON.stringify(connect(token)));
    const text = await socket.text().catch((error) => error.message);
    socket.destroy();
    return text;
  },
  'POST /connection/http_stream': (server, token) =>
    first(`${server.url}/connection/http_stream`, { method: 'POST', body: JSON.stringify(connect(token)) }),
  'GET /connection/sse': (server, token) =>
    first(`${server.url}/connection/sse?cf_connect=${encodeURIComponent(JSON.stringify(connect(token)))}`),
  'POST /connection/sse': (server, token) =>
    first(`${server.url}/connection/sse`, { method: 'POST', body: JSON.stringify(connect(token)) }),
};
for (const transport of ['uni_http_stream', 'uni_sse']) {
  live[`GET /connection/${transport}`] = (server, token) =>
    first(`${server.url}/connection/${transport}?project_id=${OURS}`, { headers: { authorization: bearer(token) } });
  live[`POST /connection/${transport}`] = (server, token) =>
    first(`${server.url}/connection/${transport}`, { method: 'POST', body: JSON.stringify(unidirectional(token)) });
}

/** What the roles that `orderwire routes` names may. */
const allowed = {
  'none': () => true,
  'user token': (role) => role === 'user' || role === 'other',
  'merchant key': (role) => role === 'merchant' || role === 'admin',
  'admin key': (role) => role === 'admin',
};

async function checkHttp(server, { method, pattern, access }, name, { authorization, role }) {
  const { body, status } = http[`${method} ${pattern}`];
  const path = pattern.replace(/\{(\w+)\}/g, (_, place) => places[place]);
  const answer = await call(`${server.url}${path}`, { method, body, headers: authorization && { authorization } });
  let expected = allowed[access](role) ? [status].flat() : [401];
  if (access === 'user token' && role === 'other') expected = [404];
  assert.ok(expected.includes(answer.status), `${name}: ${answer.status}, not ${expected}: ${answer.text.slice(0, 200)}`);
  if (answer.status === 401) assert.equal(answer.json.statusCode, 401);
}

async function checkLive(server, route, name, { token = '', role }) {
  const text = await live[route](server, token);
  if (allowed['user token'](role)) {
    assert.match(text, /"connect":\{"client"/, `${name}: ${text}`);
    assert.match(text, new RegExp(`orders:${OURS}#u${role === 'user' ? 1 : 2}"`), name);
  } else {
    assert.doesNotMatch(text, /"client"|orders:/, `${name}: ${text}`);
    assert.match(text, /3500|invalid token|"statusCode":40[01]/, `${name}: ${text}`);
  }
}

serverTest('each route with each credential', { 'limits.requests_per_user': 0 }, async (server, t) => {
  const ours = await Project.create(server, OURS);
  const theirs = await Project.create(server, THEIRS);
  const orders = [
    await ours.create('u1', { order_id: 1 }),
    await ours.create('u2', { order_id: 2 }),
    await theirs.create('u1', { order_id: 1 }),
  ];
  const all = Object.entries(credentials(ours, theirs, orders, server.adminKey));
  const { stdout } = await run(binary, ['routes', '--json'], { env: cleanEnvironment() });
  const routes = JSON.parse(stdout);
  const rows = new Set([...Object.keys(http), ...Object.keys(live)]);
  let checked = 0;
  for (const route of routes) {
    const key = `${route.method} ${route.pattern}`;
    await step(t, server, key, async () => {
      assert.ok(rows.delete(key), 'this test has no row for the route');
      assert.ok(allowed[route.access], `who may call it: ${route.access}`);
      for (const [name, credential] of all) {
        if (live[key]) await checkLive(server, key, name, credential);
        else await checkHttp(server, route, name, credential);
        checked++;
      }
    });
  }
  assert.deepEqual([...rows], [], 'rows of routes that are no more');
  t.diagnostic(`${routes.length} routes × ${all.length} credentials: ${checked} answers`);
});
