// SPDX-License-Identifier: Apache-2.0
// What is answered to which command in which state, as the reference server answers it: each row is said in JSON and
// in Protobuf. What only one of the encodings can say is in protocol.test.mjs and protobuf.test.mjs.
import assert from 'node:assert/strict';
import { Project } from './lib/api.mjs';
import { ProtobufSocket, UNKNOWN } from './lib/protobuf.mjs';
import { RawWebSocket } from './lib/raw.mjs';
import { serverTest, step } from './lib/server.mjs';

const REASONS = { 3013: 'too many requests', 3499: 'invalid token', 3500: 'invalid token', 3501: 'bad request', 3508: 'not available' };

/** An error without its sentence, which must be there, and a connect reply without what is in it. */
function bare({ id, error, connect, ...rest }) {
  if (connect) return { id, connect: {} };
  if (!error) return { id, ...rest };
  assert.ok(error.message.length > 0);
  assert.equal(error.temporary, undefined);
  return { id, code: error.code };
}

/** The fields that src/codec/centrifuge.proto leaves out are among those that nobody knows. */
function toProtobuf(command) {
  const bytes = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const request = ({ data, token, method, ...known }) => ({
    ...known,
    ...(data !== undefined && { [UNKNOWN]: bytes(data) }),
    ...(token !== undefined && { [UNKNOWN]: bytes(token) }),
  });
  const connect = ({ data, subs = {}, ...known }) => ({
    ...known,
    ...(data !== undefined && { data: bytes(data) }),
    subs: Object.entries(subs).map(([key, value]) => ({ key, value })),
  });
  return Object.fromEntries(Object.entries(command).map(([name, value]) => {
    if (name === 'id') return [name, value];
    return [name, name === 'connect' ? connect(value) : request(value)];
  }));
}

function fromProtobuf({ history, ...reply }) {
  if (!history) return reply;
  const { publications = [], offset = 0, epoch } = history;
  const readable = publications.map((one) => ({ data: JSON.parse(one.data), offset: one.offset }));
  return { ...reply, history: { publications: readable, epoch, offset } };
}

const encodings = {
  JSON: {
    open: (server) => RawWebSocket.open(server),
    say: (socket, commands) => socket.send(commands.map((command) => JSON.stringify(command)).join('\n')),
    hear: async (socket, what) => bare(await socket.next(what)),
    refusal: 3500,
  },
  Protobuf: {
    open: (server) => ProtobufSocket.open(server),
    say: (socket, commands) => socket.send(...commands.map(toProtobuf)),
    hear: async (socket, what) => bare(fromProtobuf(await socket.next(what))),
    refusal: 3499,
  },
};

/** One row: what is said in one frame, the answers, and the code of the end or that the connection goes on. */
async function check(encoding, socket, [said, answers, close]) {
  encoding.say(socket, said);
  for (const wanted of answers) assert.deepEqual(await encoding.hear(socket), wanted);
  if (close) {
    assert.deepEqual(await socket.closed(), { code: close, reason: REASONS[close] });
  } else {
    encoding.say(socket, [{ id: 1000, rpc: {} }]);
    assert.deepEqual(await encoding.hear(socket, 'the connection to go on'), { id: 1000, code: 108 });
  }
  assert.equal(socket.inbox.size, 0);
  socket.destroy();
}

const QUIET = { 'realtime.latest_on_connect': 'false' };

serverTest('commands before connect, and connect', QUIET, async (server, t) => {
  const project = await Project.create(server);
  const data = { auth: project.token('u1'), project_id: project.id };
  const connected = { id: 1, connect: {} };
  const many = (count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`c${i}`, {}]));
  const rows = ({ refusal }) => ({
    'nothing said': [[{}], [], 3501],
    'an id alone': [[{ id: 1 }], [], 3501],
    'ping': [[{ id: 1, ping: {} }], [], 3501],
    ...Object.fromEntries(
      ['subscribe', 'unsubscribe', 'publish', 'presence', 'presence_stats', 'history', 'sub_refresh', 'rpc', 'send', 'refresh']
        .map((name) => [name, [[{ id: 1, [name]: { channel: 'c' } }, { id: 2, connect: { data } }], [], 3501]]),
    ),
    'send without id': [[{ send: { data: {} } }], [], 3501],
    'connect': [[{ id: 1, connect: { data } }], [connected]],
    'connect with id 0': [[{ id: 0, connect: { data } }], [], 3501],
    'connect without id': [[{ connect: { data } }], [], 3501],
    'connect beside another request': [[{ id: 1, rpc: {}, connect: { data } }], [connected]],
    'connect with 16 positions of other channels': [[{ id: 1, connect: { data, subs: many(16) } }], [connected]],
    'connect with 17 positions': [[{ id: 1, connect: { data, subs: many(17) } }], [], 3501],
    'connect twice': [[{ id: 1, connect: { data } }, { id: 2, connect: { data } }], [connected], 3501],
    'connect and more in one frame': [
      [{ id: 1, connect: { data } }, {}, { id: 2, rpc: {} }, { id: 3, presence: { channel: 'c' } }],
      [connected, { id: 2, code: 108 }, { id: 3, code: 108 }],
    ],
    'connect, then send, then nothing any more': [
      [{ id: 1, connect: { data } }, { send: {} }, { id: 2, rpc: {} }],
      [connected],
      3508,
    ],
    'connect without credentials': [[{ id: 1, connect: {} }], [], refusal],
    'connect with empty data': [[{ id: 1, connect: { data: {} } }], [], refusal],
    'connect without a project': [[{ id: 1, connect: { data: { auth: data.auth } } }], [], refusal],
    'connect without a token': [[{ id: 1, connect: { data: { project_id: project.id } } }], [], refusal],
    'connect with the token in its own field': [
      [{ id: 1, connect: { token: data.auth, data: { project_id: project.id } } }],
      [connected],
    ],
    'connect as another user': [[{ id: 1, connect: { data: { ...data, user_external_id: 'u2' } } }], [], refusal],
    'a refused connect, and a good one after it': [
      [{ id: 1, connect: { data: { ...data, auth: 'a.b.c' } } }, { id: 2, connect: { data } }],
      [],
      refusal,
    ],
    'connect with data that is no object': [[{ id: 1, connect: { data: [] } }], [], 3501],
  });
  for (const [name, encoding] of Object.entries(encodings))
    for (const [row, wanted] of Object.entries(rows(encoding)))
      await step(t, server, `${row}, in ${name}`, async () => check(encoding, await encoding.open(server), wanted));
});

/** Commands of a connection whose user has the publications 1 to 5. */
function connectedRows({ channel, epoch, publications, data }) {
  const pubs = (...offsets) => offsets.map((offset) => publications[offset - 1]);
  const history = (id, ...offsets) => ({ id, history: { publications: pubs(...offsets), epoch, offset: 5 } });
  const ask = (fields, id = 2) => ({ id, history: { channel, ...fields } });
  const answered = (fields, ...offsets) => [[ask(fields)], [history(2, ...offsets)]];
  const code = (number) => [{ id: 2, code: number }];
  const refused = (command, number) => [[{ id: 2, ...command }], code(number)];
  const closed = (command, number = 3501) => [[command], [], number];
  const other = `${channel}2`;
  const rpcs = (count) => Array.from({ length: count }, (_, i) => ({ id: i + 2, rpc: {} }));
  return {
    'history: no limit': answered({}),
    'history: limit 0': answered({ limit: 0 }),
    'history: all': answered({ limit: -1 }, 1, 2, 3, 4, 5),
    'history: any negative limit is all': answered({ limit: -2147483648 }, 1, 2, 3, 4, 5),
    'history: the first 2': answered({ limit: 2 }, 1, 2),
    'history: more than there are': answered({ limit: 2147483647 }, 1, 2, 3, 4, 5),
    'history: as the page asks': answered({ limit: -1, since: { offset: 0 }, reverse: false }, 1, 2, 3, 4, 5),
    'history: since {}': answered({ limit: -1, since: {} }, 1, 2, 3, 4, 5),
    'history: since 2': answered({ limit: -1, since: { offset: 2 } }, 3, 4, 5),
    'history: 2 since 2, with epoch': answered({ limit: 2, since: { offset: 2, epoch } }, 3, 4),
    'history: since the top': answered({ limit: -1, since: { offset: 5, epoch } }),
    'history: since beyond the top': answered({ limit: -1, since: { offset: 6 } }),
    'history: since far beyond': answered({ limit: -1, since: { offset: 9007199254740991 } }),
    'history: limit 0 with since': answered({ limit: 0, since: { offset: 2, epoch } }),
    'history: backwards': answered({ limit: -1, reverse: true }, 5, 4, 3, 2, 1),
    'history: the newest 2': answered({ limit: 2, reverse: true }, 5, 4),
    'history: backwards before 4': answered({ limit: -1, reverse: true, since: { offset: 4 } }, 3, 2, 1),
    'history: backwards, 1 before 4': answered({ limit: 1, reverse: true, since: { offset: 4, epoch } }, 3),
    'history: backwards before 1': answered({ limit: -1, reverse: true, since: { offset: 1 } }),
    'history: backwards before 0': [[ask({ limit: -1, reverse: true, since: { offset: 0 } })], code(107)],
    'history: another epoch': [[ask({ limit: -1, since: { offset: 0, epoch: 'another' } })], code(112)],
    'history: another epoch backwards': [
      [ask({ limit: -1, reverse: true, since: { offset: 3, epoch: 'another' } })],
      code(112),
    ],
    'history: another epoch, nothing asked for': [[ask({ limit: 0, since: { offset: 0, epoch: 'another' } })], code(112)],
    'history: another channel': refused({ history: { channel: other, limit: -1 } }, 103),
    'history: no channel': closed({ id: 2, history: { limit: -1 } }),
    'subscribe: the own channel': refused({ subscribe: { channel } }, 105),
    'subscribe: another channel': refused({ subscribe: { channel: other } }, 103),
    'subscribe: no channel': closed({ id: 2, subscribe: {} }),
    'unsubscribe: the own channel': [[{ id: 2, unsubscribe: { channel } }], [{ id: 2, unsubscribe: {} }]],
    'unsubscribe: another channel': [[{ id: 2, unsubscribe: { channel: other } }], [{ id: 2, unsubscribe: {} }]],
    'unsubscribe: no channel': closed({ id: 2, unsubscribe: {} }),
    'publish: the own channel': refused({ publish: { channel, data: { order_id: 1, status: 'done' } } }, 103),
    'publish: another channel': refused({ publish: { channel: other, data: {} } }, 103),
    'publish: no channel': closed({ id: 2, publish: { data: {} } }),
    'presence: the own channel': refused({ presence: { channel } }, 108),
    'presence: another channel': refused({ presence: { channel: other } }, 108),
    'presence: no channel': closed({ id: 2, presence: {} }),
    'presence_stats: the own channel': refused({ presence_stats: { channel } }, 108),
    'presence_stats: another channel': refused({ presence_stats: { channel: other } }, 108),
    'presence_stats: no channel': closed({ id: 2, presence_stats: {} }),
    'rpc': refused({ rpc: { method: 'm', data: {} } }, 108),
    'rpc: nothing asked': refused({ rpc: {} }, 108),
    'send': closed({ send: { data: {} } }, 3508),
    'send with an id': closed({ id: 2, send: { data: {} } }, 3508),
    'refresh': closed({ id: 2, refresh: { token: 't' } }),
    'refresh: no token': closed({ id: 2, refresh: {} }),
    'sub_refresh: the own channel': refused({ sub_refresh: { channel, token: 't' } }, 108),
    'sub_refresh: no token': refused({ sub_refresh: { channel } }, 108),
    'sub_refresh: another channel': refused({ sub_refresh: { channel: other, token: 't' } }, 103),
    'sub_refresh: no channel': closed({ id: 2, sub_refresh: { token: 't' } }),
    'a second connect': closed({ id: 2, connect: { data } }),
    'a second connect, without credentials': closed({ id: 2, connect: {} }),
    'ping with an id': closed({ id: 2, ping: {} }),
    'an id alone': closed({ id: 2 }),
    'a command without id': closed({ rpc: {} }),
    'id 0': closed({ id: 0, rpc: {} }),
    'the highest id': [[{ id: 4294967295, rpc: {} }], [{ id: 4294967295, code: 108 }]],
    'an id twice': [[{ id: 2, rpc: {} }, { id: 2, rpc: {} }], [...code(108), ...code(108)]],
    'the first of two requests counts': [[{ id: 2, rpc: {}, history: { channel } }], [history(2)]],
    'unsolicited pongs': [[{}, {}, { id: 2, rpc: {} }], code(108)],
    'two commands in a frame': [[ask({ limit: 1 }), { id: 3, rpc: {} }], [history(2, 1), { id: 3, code: 108 }]],
    'nothing is done after the end': [[{ send: {} }, { id: 2, rpc: {} }], [], 3508],
    '64 commands': [rpcs(64), rpcs(64).map(({ id }) => ({ id, code: 108 }))],
  };
}

serverTest('commands of a connection', { ...QUIET, 'limits.requests_per_user': 0 }, async (server, t) => {
  const project = await Project.create(server);
  const data = { auth: project.token('u1'), project_id: project.id };
  await project.create('u1', { order_id: 1, status: 'done' });
  await project.create('u1', { order_id: 2, status: 'paid' });
  const publications = [[1, 'new'], [1, 'paid'], [1, 'done'], [2, 'new'], [2, 'paid']].map(
    ([order_id, status], i) => ({ data: { order_id, status }, offset: i + 1 }),
  );
  for (const [name, encoding] of Object.entries(encodings)) {
    const open = async () => {
      const socket = await encoding.open(server);
      return Object.assign(socket, await socket.connect(data));
    };
    const { channel, sub } = await open();
    for (const [row, wanted] of Object.entries(connectedRows({ channel, epoch: sub.epoch, publications, data })))
      await step(t, server, `${row}, in ${name}`, async () => check(encoding, await open(), wanted));
    await step(t, server, `65 commands, in ${name}`, async () => {
      const socket = await open();
      encoding.say(socket, Array.from({ length: 65 }, (_, i) => ({ id: i + 2, rpc: {} })));
      assert.deepEqual(await socket.closed(), { code: 3501, reason: 'bad request' });
    });
  }
});
