// SPDX-License-Identifier: Apache-2.0
// The Centrifuge protocol, message by message: what is answered, what is refused and with which code. Rows name the
// rule they hold. Those that hold in both encodings are in conversation.test.mjs.
import assert from 'node:assert/strict';
import net from 'node:net';
import { Project } from './lib/api.mjs';
import { event, until } from './lib/events.mjs';
import { frame, handshake, RawWebSocket } from './lib/raw.mjs';
import { serverTest, step } from './lib/server.mjs';

const BAD_REQUEST = { code: 3501, reason: 'bad request' };

const json = (value) => JSON.stringify(value);
const errorReply = (id, code) => ({ id, code });
/** An error reply without its sentence, which must be there. */
function bare(message) {
  if (!message.error) return message;
  assert.ok(message.error.message.length > 0);
  assert.equal(message.error.temporary, undefined);
  return { id: message.id, code: message.error.code };
}

/** A user with five publications; a connection of its own for each call of `open`. */
async function prepare(server) {
  const project = await Project.create(server);
  const user = 'u1';
  const auth = project.token(user);
  await project.create(user, { order_id: 1, status: 'done' });
  await project.create(user, { order_id: 2, status: 'paid' });
  const publications = [
    [1, 'new'],
    [1, 'paid'],
    [1, 'done'],
    [2, 'new'],
    [2, 'paid'],
  ].map(([order_id, status], i) => ({ data: { order_id, status }, offset: i + 1 }));
  const data = { auth, project_id: project.id };
  const open = async (options) => {
    const socket = await RawWebSocket.open(server, options);
    const connected = await socket.connect(data);
    return Object.assign(socket, { channel: connected.channel, epoch: connected.sub.epoch });
  };
  return { project, user, auth, data, publications, open };
}

serverTest('what may be said before connect', { 'realtime.latest_on_connect': 'false' }, async (server, t) => {
  const { data } = await prepare(server);
  const rows = {
    'connect of a wrong type': json({ connect: 5, id: 1 }),
    'connect with data of a wrong type': json({ connect: { data: 5 }, id: 1 }),
    'connect with auth of a wrong type': json({ connect: { data: { ...data, auth: 5 } }, id: 1 }),
    'connect with a fraction for project': json({ connect: { data: { ...data, project_id: 1.5 } }, id: 1 }),
    'connect with token of a wrong type': json({ connect: { data, token: 5 }, id: 1 }),
    'connect with subs of a wrong type': json({ connect: { data, subs: [] }, id: 1 }),
    'an empty message': '',
    'a line break alone': '\n',
    'no JSON': 'hello',
    'JSON cut short': '{"id":1',
    'an array': '[]',
    'a text': '"connect"',
    'null': 'null',
    'a key twice': '{"id":1,"id":2,"connect":{}}',
    'a NUL byte': '\0',
  };
  for (const [name, message] of Object.entries(rows)) {
    await step(t, server, name, async () => {
      const socket = await RawWebSocket.open(server);
      socket.send(message);
      assert.deepEqual(await socket.closed(), BAD_REQUEST);
      assert.equal(socket.inbox.size, 0);
    });
  }
});

serverTest('the forms of connect', { 'realtime.latest_on_connect': 'false' }, async (server, t) => {
  const { project, auth, data } = await prepare(server);
  const rows = {
    'as it is': { data },
    'with the user': { data: { user_external_id: 'u1', ...data } },
    'with null for the user': { data: { user_external_id: null, ...data } },
    'with digits for the project': { data: { auth, project_id: String(project.id) } },
    'with the token in its place': { data: { project_id: project.id }, token: auth },
    'with the token in both places': { data, token: 'of no account' },
    'with all that an SDK may add': {
      data: { ...data, more: [1, { deep: null }] },
      name: 'js',
      version: '1',
      headers: {},
      flag: 1,
      subs: {},
    },
    'with nulls': { data, token: null, subs: null, name: null },
  };
  for (const [name, connect] of Object.entries(rows)) {
    await step(t, server, name, async () => {
      const socket = await RawWebSocket.open(server);
      socket.send(json({ connect, id: 4294967295 }));
      const reply = await socket.next();
      assert.equal(reply.id, 4294967295);
      assert.deepEqual(Object.keys(reply), ['id', 'connect']);
      const { client, version, subs, ping, pong, ...rest } = reply.connect;
      assert.match(client, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assert.ok(version.length > 0);
      assert.deepEqual(rest, {}, 'no expires, no ttl, no session');
      assert.deepEqual([ping, pong], [25, true]);
      const [[channel, sub]] = Object.entries(subs);
      assert.ok(channel.length > 0);
      assert.match(sub.epoch, /^\S+$/);
      assert.deepEqual(sub, { recoverable: true, positioned: true, epoch: sub.epoch, offset: 5 });
    });
  }
  await step(t, server, 'keys in other letters, tabs and line ends', async () => {
    const socket = await RawWebSocket.open(server);
    socket.send(`\t{ "Connect" :\t{ "DATA":${json(data)}\r},\t"ID" : 9 }\r\n`);
    assert.equal((await socket.next()).id, 9);
  });
  await step(t, server, 'what is refused without looking at the token, and why in the log', async () => {
    for (const [wrong, reason] of [
      [{ ...data, user_external_id: 'u2' }, 'user_external_id is not its user'],
      [{ ...data, project_id: undefined }, 'no project_id'],
      [{ ...data, auth: undefined }, 'no token'],
    ]) {
      const socket = await RawWebSocket.open(server);
      socket.send(json({ id: 1, connect: { data: wrong } }));
      assert.deepEqual(await socket.closed(), { code: 3500, reason: 'invalid token' });
      await until(() => server.log.includes(`"message":"token refused","project_id":${wrong.project_id ?? 0},"reason":"${reason}"`), reason);
    }
  });
  await step(t, server, 'escapes', async () => {
    const socket = await RawWebSocket.open(server);
    const escaped = [...auth].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
    socket.send(`{"connect":{"data":{"auth":"${escaped}","project_id":${project.id}}},"id":1}`);
    assert.ok((await socket.next()).connect);
  });
  await step(t, server, 'an empty stream has no offset', async () => {
    const socket = await RawWebSocket.open(server);
    const { sub } = await socket.connect({ auth: project.token('nobody yet'), project_id: project.id });
    assert.deepEqual(Object.keys(sub), ['recoverable', 'positioned', 'epoch']);
  });
});

const INSECURE = { 'realtime.insecure_user': '77640/dev/1', 'realtime.latest_on_connect': 'false' };

serverTest('a client without credentials, where the operator names who it is', INSECURE, async (server, t) => {
  const { project, data } = await prepare(server);
  for (const [name, connect, user] of [
    ['nothing', {}, 'dev/1'],
    ['no data', { data: null }, 'dev/1'],
    ['empty data', { data: {} }, 'dev/1'],
    ['a token of nobody knows which project', { token: 'a.b.c', data: {} }, 'dev/1'],
    ['credentials', { data }, 'u1'],
    ['credentials that are wrong', { data: { ...data, auth: 'a.b.c' } }],
    ['a token without its project', { data: { auth: data.auth } }],
    ['a project without a token', { data: { project_id: project.id } }],
    ['a user without a token', { data: { user_external_id: 'u1' } }],
  ]) {
    await step(t, server, name, async () => {
      const socket = await RawWebSocket.open(server);
      socket.send(json({ id: 1, connect }));
      if (user) assert.deepEqual(Object.keys((await socket.next()).connect.subs), [`orders:${project.id}#${user}`]);
      else assert.deepEqual(await socket.closed(), { code: 3500, reason: 'invalid token' });
      socket.destroy();
    });
  }
  await step(t, server, 'with no library', async () => {
    const abort = new AbortController();
    const response = await fetch(`${server.url}/connection/uni_http_stream?cf_connect={}`, { signal: abort.signal });
    const { value } = await response.body.getReader().read();
    assert.ok(Buffer.from(value).includes(`orders:${project.id}#dev/1`));
    abort.abort();
  });
});

serverTest('commands as only JSON can say them', { 'realtime.latest_on_connect': 'false' }, async (server, t) => {
  const { publications, open } = await prepare(server);
  const { channel, epoch } = await open();
  const ask = (fields) => json({ history: { channel, ...fields }, id: 2 });
  // name: [message, replies, close code]
  const rows = {
    'history: since null': [ask({ limit: -1, since: null }), [{ id: 2, history: { publications, epoch, offset: 5 } }]],
    'history: a limit of text': [ask({ limit: '1' }), [], 3501],
    'history: a limit beyond int32': [ask({ limit: 2147483648 }), [], 3501],
    'history: a negative offset': [ask({ since: { offset: -1 } }), [], 3501],
    'history: an offset of text': [ask({ since: { offset: '1' } }), [], 3501],
    'history: since a number': [ask({ since: 5 }), [], 3501],
    'history: reverse of text': [ask({ reverse: 'yes' }), [], 3501],
    'a command that nobody knows': [json({ id: 2, fly: {} }), [], 3501],
    'an id beyond uint32': [json({ id: 4294967296, rpc: {} }), [], 3501],
    'a negative id': [json({ id: -1, rpc: {} }), [], 3501],
    'a fraction for an id': ['{"id":1.5,"rpc":{}}', [], 3501],
    'text for an id': ['{"id":"2","rpc":{}}', [], 3501],
    'a null request does not count': [json({ id: 2, history: null, rpc: {} }), [errorReply(2, 108)]],
    'fields that nobody knows': [json({ id: 2, rpc: {}, more: [1, 2, 3] }), [errorReply(2, 108)]],
    'what follows a value on its line': ['{"id":2,"rpc":{}} and so on', [errorReply(2, 108)]],
    'a line break at the end': [`${json({ id: 2, rpc: {} })}\n`, [errorReply(2, 108)]],
    'an empty line between': ['{"id":2,"rpc":{}}\n\n{"id":3,"rpc":{}}', [errorReply(2, 108)], 3501],
    'two line breaks at the end': ['{"id":2,"rpc":{}}\n\n', [errorReply(2, 108)], 3501],
    'garbage after a good command': ['{"id":2,"rpc":{}}\n{', [errorReply(2, 108)], 3501],
    'depth beyond the limit': [`{"id":2,"rpc":{"data":${'['.repeat(40)}${']'.repeat(40)}}}`, [], 3501],
    'depth of 100,000': [`{"id":2,"rpc":{"data":${'['.repeat(30000)}`, [], 3501],
    'a command of 32 KiB': [`{"id":2,"rpc":{}}${' '.repeat(32 * 1024 - 17)}`, [errorReply(2, 108)]],
    'a command beyond 32 KiB': [`{"id":2,"rpc":{}}${' '.repeat(32 * 1024 - 16)}`, [], 3501],
  };
  for (const [name, [message, replies, close]] of Object.entries(rows)) {
    await step(t, server, name, async () => {
      const socket = await open();
      socket.send(message);
      for (const wanted of replies) assert.deepEqual(bare(await socket.next()), wanted);
      if (close) {
        assert.deepEqual(await socket.closed(), BAD_REQUEST);
      } else {
        socket.send(json({ id: 1000, rpc: {} }));
        assert.deepEqual(bare(await socket.next('the connection to go on')), errorReply(1000, 108));
      }
      assert.equal(socket.inbox.size, 0);
      socket.destroy();
    });
  }
});

serverTest('commands in the frame of connect, and after unsubscribe', {}, async (server) => {
  const { project, data, user } = await prepare(server);
  const socket = await RawWebSocket.open(server);
  socket.send(`${json({ connect: { data }, id: 1 })}\n${json({ rpc: {}, id: 2 })}`);
  const reply = await socket.next();
  const [channel] = Object.keys(reply.connect.subs);
  const told = [];
  let error;
  while (told.length < 2 || !error) {
    const message = await socket.next('the latest statuses and the reply');
    if (message.push) told.push(message.push.pub);
    else error = bare(message);
  }
  assert.deepEqual(error, errorReply(2, 108));
  assert.deepEqual(told, [{ data: { order_id: 1, status: 'done' } }, { data: { order_id: 2, status: 'paid' } }]);
  socket.send(json({ unsubscribe: { channel }, id: 3 }));
  assert.deepEqual(await socket.next(), { id: 3, unsubscribe: {} });
  await project.create(user, { order_id: 3 });
  assert.deepEqual(await socket.publication(), { channel, data: { order_id: 3, status: 'new' }, offset: 6 });
});

serverTest('positions that a client brings', { 'history.max_events': 4, 'prune.interval': '10ms' }, async (server, t) => {
  const { project, data, publications, open } = await prepare(server);
  const { channel, epoch } = await open();
  await project.create('poll', { order_id: 77 });
  await until(async () => {
    const socket = await open();
    socket.send(json({ history: { channel, limit: -1 }, id: 2 }));
    const reply = await socket.inbox.find((text) => text.includes('"history"'), 'the history');
    socket.destroy();
    return JSON.parse(reply).history.publications[0].offset === 2;
  }, 'the first publication to be pruned');
  const missed = (offset) => publications.slice(offset);
  // name: [what the client brings, recovered from]
  const rows = {
    'nothing missed': [{ recover: true, offset: 5, epoch }, 5],
    'one missed': [{ recover: true, offset: 4, epoch }, 4],
    'all that is kept': [{ recover: true, offset: 1, epoch }, 1],
    'no epoch': [{ recover: true, offset: 3 }, 3],
    'more than is kept': [{ recover: true, offset: 0, epoch }, null],
    'no offset': [{ recover: true, epoch }, null],
    'another epoch': [{ recover: true, offset: 5, epoch: 'another' }, null],
    'beyond the top': [{ recover: true, offset: 6, epoch }, null],
    'far beyond the top': [{ recover: true, offset: 9007199254740991, epoch }, null],
    'recover is false': [{ recover: false, offset: 3, epoch }, undefined],
    'recover is absent': [{ offset: 3, epoch }, undefined],
    'null': [null, undefined],
  };
  for (const [name, [position, from]] of Object.entries(rows)) {
    await step(t, server, name, async () => {
      const socket = await RawWebSocket.open(server);
      const { sub } = await socket.connect(data, { subs: { [channel]: position, foreign: { recover: true, offset: 1 } } });
      const asked = from !== undefined;
      const recovered = typeof from === 'number';
      assert.deepEqual(sub, {
        recoverable: true,
        positioned: true,
        epoch,
        offset: recovered ? from : 5,
        ...(asked && { was_recovering: true }),
        ...(recovered && { recovered: true }),
        ...(recovered && from < 5 && { publications: missed(from) }),
      });
      if (!recovered) {
        assert.deepEqual((await socket.publication('the latest status')).data, { order_id: 1, status: 'done' });
        assert.deepEqual((await socket.publication('the latest status')).data, { order_id: 2, status: 'paid' });
      }
      socket.send(json({ id: 2, rpc: {} }));
      assert.deepEqual(bare(await socket.next('no latest statuses')), errorReply(2, 108));
      socket.destroy();
    });
  }
  await step(t, server, 'a position of a wrong type', async () => {
    for (const wrong of [5, { recover: 1 }, { offset: '1' }, { offset: -1 }, { epoch: 5 }]) {
      const socket = await RawWebSocket.open(server);
      socket.send(json({ connect: { data, subs: { [channel]: wrong } }, id: 1 }));
      assert.deepEqual(await socket.closed(), BAD_REQUEST);
    }
  });
});

serverTest('the opening handshake', {}, async (server, t) => {
  const open = (headers, options) => RawWebSocket.open(server, { headers, mayFail: true, ...options });
  // name: [headers, status, subprotocol]
  const rows = {
    'as it should be': [{}, 101],
    'other letters, more tokens': [{ Connection: 'keep-alive, UPGRADE', Upgrade: 'WebSocket' }, 101],
    'a query': [{}, 101, undefined, { path: '/connection/websocket?cf_protocol_version=v2&format=json' }],
    'an origin': [{ Origin: 'https://anywhere.example' }, 101],
    'JSON as subprotocol': [{ 'Sec-WebSocket-Protocol': 'centrifuge-json' }, 101, 'centrifuge-json'],
    'JSON among others': [{ 'Sec-WebSocket-Protocol': 'wss, centrifuge-json' }, 101, 'centrifuge-json'],
    'a subprotocol that nobody knows': [{ 'Sec-WebSocket-Protocol': 'wss' }, 101],
    'an offer of compression': [{ 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }, 101],
    'no key': [{ 'Sec-WebSocket-Key': null }, 400],
    'a key of 15 bytes': [{ 'Sec-WebSocket-Key': Buffer.alloc(15).toString('base64') }, 400],
    'a key of 17 bytes': [{ 'Sec-WebSocket-Key': Buffer.alloc(17).toString('base64') }, 400],
    'a key that is no base64': [{ 'Sec-WebSocket-Key': '????????????????????????' }, 400],
    'version 8': [{ 'Sec-WebSocket-Version': '8' }, 426],
    'no version': [{ 'Sec-WebSocket-Version': null }, 426],
    'no upgrade': [{ Upgrade: null }, 426],
    'another upgrade': [{ Upgrade: 'h2c' }, 426],
    'no Connection: upgrade': [{ Connection: 'keep-alive' }, 426],
    'POST': [{ 'Content-Length': '0' }, 405, undefined, { method: 'POST' }],
    'another path': [{}, 404, undefined, { path: '/connection/websocket/' }],
  };
  for (const [name, [headers, status, subprotocol, options]] of Object.entries(rows)) {
    await step(t, server, name, async () => {
      const socket = await open(headers, options);
      const { status: answered, headers: lines, text } = socket.handshake;
      assert.equal(answered, status);
      assert.equal(lines['sec-websocket-extensions'], undefined);
      if (status === 101) {
        assert.equal(lines['sec-websocket-protocol'], subprotocol);
        socket.send('nonsense');
        assert.deepEqual(await socket.closed(), BAD_REQUEST);
      } else {
        assert.equal(JSON.parse(text).statusCode, status);
      }
      if (status === 426) {
        assert.equal(lines['sec-websocket-version'], '13');
        assert.match(lines.upgrade, /websocket/i);
      }
      socket.destroy();
    });
  }
});

serverTest('a client that asks and never reads', { 'limits.commands_per_second': 0, 'limits.requests_per_user': 0 }, async (server) => {
  const project = await Project.create(server);
  const user = 'slow';
  const auth = project.token(user);
  const orders = Array.from({ length: 100 }, (_, i) => ({ order_id: i + 1, user_external_id: user, status: 'done' }));
  await project.batch(orders);
  const slow = await RawWebSocket.open(server);
  const { channel } = await slow.connect({ auth, project_id: project.id });
  slow.tcp.pause();
  const fast = await RawWebSocket.open(server);
  await fast.connect({ auth: project.token('fast'), project_id: project.id });

  const ask = Array.from({ length: 60 }, (_, i) => json({ history: { channel, limit: -1 }, id: i + 2 })).join('\n');
  const before = server.memory('VmRSS');
  let sent = 0;
  await until(async () => {
    if (slow.tcp.writable) slow.send(ask);
    const { order_id } = await project.create('fast');
    const publication = await fast.publication();
    assert.deepEqual(publication.data, { order_id, status: 'new' });
    assert.equal(publication.offset, ++sent);
    return (await server.metric('closes_total{reason="slow"}')) === 1;
  }, 'the slow client to be closed');
  const cost = server.memory('VmHWM') - before;
  assert.ok(cost < 24 * 1024, `it has cost ${cost} KiB`);
  await until(async () => (await server.metric('websockets')) === 1, 'its connection to be given back');
  slow.tcp.resume();
  const { code } = await slow.closed();
  assert.ok(code === 3008 || code === 1006, `closed with ${code}`);
});

serverTest('a client that is pushed to and never reads', {}, async (server) => {
  const project = await Project.create(server);
  const user = 'u'.repeat(255);
  const slow = await RawWebSocket.open(server);
  await slow.connect({ auth: project.token(user), project_id: project.id });
  slow.tcp.pause();
  const fast = await RawWebSocket.open(server);
  await fast.connect({ auth: project.token(user), project_id: project.id });
  const statuses = ['new', 'paid', 'done'];
  let offset = 0;
  let order_id = 0;
  await until(async () => {
    const lines = Array.from({ length: 1000 }, () => ({ order_id: ++order_id, user_external_id: user, status: 'done' }));
    await project.batch(lines);
    for (let i = 0; i < 3000; i++) {
      const publication = await fast.publication();
      assert.equal(publication.offset, ++offset);
      assert.equal(publication.data.status, statuses[i % 3]);
    }
    return (await server.metric('closes_total{reason="slow"}')) === 1;
  }, 'the slow client to be closed', 60_000);
  slow.destroy();
});

serverTest('peers that do not answer do not keep the server', {}, async (server) => {
  const { data, open } = await prepare(server);
  const request = handshake(server).bytes;
  for (const bytes of ['', 'GET', request.slice(0, -2), request]) {
    const socket = server.own(net.connect(server.port, '127.0.0.1'));
    await event(socket, 'connect');
    if (bytes) socket.write(bytes);
  }
  const mute = await open({ answerClose: false });
  const unfinished = await open({ answerClose: false });
  unfinished.write(frame('{"id":2,', { fin: false }));
  const full = await RawWebSocket.open(server);
  const { channel } = await full.connect(data);
  full.tcp.pause();
  const ask = Array.from({ length: 60 }, (_, i) => json({ history: { channel, limit: -1 }, id: i + 2 })).join('\n');
  full.send(ask);
  await until(async () => (await server.metric('websockets')) === 4, 'all to be there');
  await server.stop();
  assert.deepEqual(await mute.closed(), { code: 3001, reason: 'shutdown' });
  assert.deepEqual(await unfinished.closed(), { code: 3001, reason: 'shutdown' });
});
