// SPDX-License-Identifier: Apache-2.0
// Clients of every kind come, say a part of what they have to say, and go in any way at any moment. When all have
// gone each gauge is at zero, and each limit lets in as many as at first: nothing was counted twice, or never taken
// back.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { Project } from './lib/api.mjs';
import { random, seed, short, until, within } from './lib/events.mjs';
import { closePayload, frame, handshake, OPCODE } from './lib/raw.mjs';
import { withServer } from './lib/server.mjs';
import { tlsTest } from './lib/tls.mjs';

const CLIENTS = short ? 300 : 500;
/* More at once than may be, at times. */
const AT_ONCE = 170;
const OF_ALL = 150;
const OF_ADDRESS = 50;
const OF_USER = 3;
/* Bodies of 16 MiB in a stock of 128. */
const OF_STOCK = 8;
const USERS = ['u1', 'u2', 'u3', 'u4'];
const SETTINGS = {
  listen_private: '127.0.0.1:0', 'log.level': 'warning',
  'limits.connections': OF_ALL, 'limits.connections_per_address': OF_ADDRESS, 'limits.connections_per_user': OF_USER,
  'limits.batch_bytes': '16MiB', 'http.header_timeout': '5s', 'http.body_timeout': '5s', 'http.idle_timeout': '5s',
  'realtime.connect_timeout': '300ms', 'realtime.max_lifetime': '5s', 'realtime.ping_interval': '1s', 'realtime.pong_timeout': '300ms',
};
const HOST = 'Host: a\r\n';

/** A connection that comes from the last part of an address; to the private side with `isPrivate`. */
function dial(server, from, { isPrivate = false } = {}) {
  const port = isPrivate ? Number(new URL(server.privateUrl).port) : server.port;
  const named = server.isBehindProxy ? {} : { localAddress: `127.0.0.${from}` };
  const options = { port, host: '127.0.0.1', noDelay: true, ...named };
  const raw = net.connect(options);
  raw.on('error', () => {});
  if (server.isBehindProxy && !isPrivate) raw.write(`PROXY TCP4 192.0.2.${from} 127.0.0.1 4711 443\r\n`);
  const socket = server.ca && !isPrivate ? tls.connect({ socket: raw, host: '127.0.0.1', ca: server.ca }) : raw;
  socket.on('error', () => {});
  // What ends TLS leaves the connection below it to whoever made it.
  socket.once('close', () => raw.destroy());
  return { raw: server.own(raw), socket: server.own(socket) };
}

/** The beginning of a batch of orders. */
function batchHead(project) {
  const basic = Buffer.from(`${project.id}:${project.key}`).toString('base64');
  return `POST /server/v1/project/${project.id}/orders/batch HTTP/1.1\r\n${HOST}Authorization: Basic ${basic}\r\n`;
}

/** What one client has to say, and whether on the private side. */
function saying(server, project, random) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  const token = pick([project.token(pick(USERS)), project.token(pick(USERS)), 'wrong']);
  const connect = JSON.stringify({ id: 1, connect: { data: { auth: token, project_id: project.id } } });
  const open = handshake(server).bytes;
  const post = (path, body, length = body.length) => `POST ${path} HTTP/1.1\r\n${HOST}Content-Length: ${length}\r\n\r\n${body}`;
  const who = `${HOST}Authorization: Bearer ${token}\r\n`;
  const query = encodeURIComponent(connect);
  const batch = batchHead(project);
  return pick([
    ['GET /health HTTP/1.1\r\nX: a'],
    [`GET /x HTTP/1.1\r\n${HOST}\r\n`.repeat(40), open, frame(connect), frame('{}')],
    [open, frame(connect), frame('{"id":2,"rpc":{}}'), frame('{"id":3,"history":{"channel":"x"}}')],
    [open, frame(connect), frame('half of it').subarray(0, 7)],
    [open, frame(connect, { fin: false }), frame('p', { opcode: OPCODE.ping }), frame('', { opcode: OPCODE.continuation })],
    [open, frame(connect), frame(closePayload(1000), { opcode: OPCODE.close }), frame('after it')],
    [open, Buffer.concat(Array.from({ length: 200 }, () => frame('p', { opcode: OPCODE.ping }))), frame('x', { rsv: 7 })],
    [post('/connection/http_stream', connect), 'GET /x HTTP/1.1\r\n'],
    [post('/connection/sse', connect.slice(0, 20), connect.length)],
    [`GET /connection/sse?cf_connect=${query} HTTP/1.1\r\n${HOST}\r\n`],
    [`HEAD /connection/sse?cf_connect=${query} HTTP/1.1\r\n${HOST}\r\n`.repeat(3)],
    [`GET /connection/uni_sse?project_id=${project.id} HTTP/1.1\r\n${who}\r\n`],
    [`GET /api/v2/project/${project.id}/order/1?wait=60 HTTP/1.1\r\n${who}If-None-Match: "2"\r\n\r\n`, open],
    [post('/emulation', '{"session":"0-x","node":"x","data":""}')],
    ['PROXY UNKNOWN\r\n', '\r\n\r\n\0\r\nQUIT\n', Buffer.from([0x16, 3, 1, 0, 200, 1])],
    [`${batch}Transfer-Encoding: chunked\r\n\r\n`, `20000\r\n${'x'.repeat(0x20000)}`, { isPrivate: true }],
    [`${batch}Content-Length: 100000\r\n\r\n`, 'x'.repeat(99_000), { isPrivate: true }],
  ]);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One client, from its coming to its going. */
async function visit(server, project, random) {
  const said = saying(server, project, random);
  const { isPrivate } = said.find((one) => one.isPrivate) ?? {};
  const { raw, socket } = dial(server, 2 + Math.floor(random() * 4), { isPrivate });
  const bytes = Buffer.concat(said.filter((one) => !one.isPrivate).map((one) => Buffer.from(one)));
  const gone = new Promise((resolve) => socket.once('close', resolve));
  if (random() < 0.8) socket.resume();
  let rest = random() < 0.6 ? bytes : bytes.subarray(0, Math.floor(random() * bytes.length));
  while (rest.length > 0 && socket.writable) {
    const size = random() < 0.5 ? rest.length : Math.ceil(random() * rest.length);
    socket.write(rest.subarray(0, size));
    rest = rest.subarray(size);
    await pause(random() * 10);
  }
  await pause(random() < 0.5 ? 0 : random() * 150);
  const end = random();
  // Reset while it is being shut down, a socket of node's stays for ever.
  if (end < 0.3 && !socket.writableEnded) raw.resetAndDestroy();
  else if (end < 0.5) raw.destroy();
  else if (end < 0.9) socket.resume().end();
  else socket.resume();
  await within(gone, 'the client to be gone');
}

/** The page of the metrics, over a connection of its own. */
async function metrics(server) {
  const { socket } = dial(server, 1, { isPrivate: true });
  let text = '';
  socket.write(`GET /metrics HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
  socket.on('data', (chunk) => (text += chunk));
  await within(new Promise((resolve) => socket.once('close', resolve)), 'the metrics');
  return (name) => Number(new RegExp(`^orderwire_${name} (\\d+)$`, 'm').exec(text)?.[1] ?? NaN);
}

const GAUGES = ['websockets', 'http_streams', 'sessions'];

async function untilEmpty(server) {
  await until(async () => (await metrics(server))('connections') === 1, 'all connections to be gone');
  const metric = await metrics(server);
  assert.deepEqual(GAUGES.map(metric), GAUGES.map(() => 0));
}

/** The first bytes that come back to `bytes`, "" when the connection ends instead. The connection stays. */
async function ask(server, from, bytes, options) {
  const { socket } = dial(server, from, options);
  socket.write(bytes);
  const first = new Promise((resolve) => {
    socket.once('data', (chunk) => resolve(chunk.toString('latin1')));
    socket.once('close', () => resolve(''));
  });
  return { text: await within(first, 'an answer, or the end'), socket };
}

async function askMany(server, count, from, bytes, options) {
  return Promise.all(Array.from({ length: count }, () => ask(server, from, bytes, options)));
}

async function leave(server, visitors) {
  for (const { socket } of visitors) socket.destroy();
  await untilEmpty(server);
}

const isIn = ({ text }) => text !== '';
const HELD = `GET /health HTTP/1.1\r\n${HOST}\r\nGET /health HTTP/1.1\r\n`;

async function checkConnections(server) {
  const visitors = [];
  for (const from of [2, 3]) {
    visitors.push(...await askMany(server, OF_ADDRESS, from, HELD));
    assert.ok(visitors.every(isIn), `address ${from} may have ${OF_ADDRESS}: ${visitors.filter(isIn).length}`);
    assert.equal((await ask(server, from, HELD)).text, '', `address ${from} may not have one more`);
  }
  visitors.push(...await askMany(server, OF_ALL - 2 * OF_ADDRESS, 4, HELD));
  assert.ok(visitors.every(isIn), `there may be ${OF_ALL}: ${visitors.filter(isIn).length}`);
  assert.equal((await ask(server, 5, HELD)).text, '', 'there may not be one more');
  await leave(server, visitors);
}

async function checkUsers(server, project) {
  const visitors = [];
  for (const user of USERS) {
    const body = JSON.stringify({ data: { auth: project.token(user), project_id: project.id } });
    const bytes = `POST /connection/uni_http_stream HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`;
    const some = await askMany(server, OF_USER, 2, bytes);
    const refused = await ask(server, 2, bytes);
    await until(async () => (await metrics(server))('sessions') === OF_USER, `${OF_USER} sessions of ${user}`);
    refused.socket.destroy();
    await leave(server, some);
  }
}

async function checkStock(server, project) {
  const head = `${batchHead(project)}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const answers = await askMany(server, OF_STOCK, 2, head, { isPrivate: true });
  assert.deepEqual(answers.map(({ text }) => text.slice(9, 12)), answers.map(() => '100'));
  const refused = await ask(server, 2, head, { isPrivate: true });
  assert.equal(refused.text.slice(9, 12), '503');
  await leave(server, [...answers, refused]);
}

/** New orders of all users. There may be no room for the merchant either; node's fetch would wait for ever then. */
async function update(server, project, id) {
  const body = USERS.map((user, i) => JSON.stringify({ order_id: 4 * id + i, user_external_id: user })).join('\n');
  const { socket } = await ask(server, 1, `${batchHead(project)}Content-Length: ${body.length}\r\n\r\n${body}`, { isPrivate: true });
  socket.destroy();
  await pause(20);
}

async function churn(server, t) {
  const project = await Project.create(server);
  const numbers = random(seed);
  t.diagnostic(`seed ${seed}`);
  let left = CLIENTS;
  const one = async () => {
    while (left-- > 0) await visit(server, project, numbers);
  };
  const merchant = async () => {
    for (let id = 1; left > 0; id++) await update(server, project, id);
  };
  try {
    await Promise.all([merchant(), ...Array.from({ length: AT_ONCE }, one)]);
  } finally {
    left = 0;
  }
  await untilEmpty(server);
  await checkConnections(server);
  await checkUsers(server, project);
  await checkStock(server, project);
}

test('comers and goers', (t) => withServer(SETTINGS, (server) => churn(server, t)));

tlsTest('comers and goers by TLS', SETTINGS, (server, _authority, t) => churn(server, t));

test('comers and goers behind a proxy', (t) =>
  withServer({ ...SETTINGS, 'proxy.trusted': '127.0.0.1', 'proxy.protocol': true }, (server) =>
    churn(Object.assign(server, { isBehindProxy: true }), t)));
