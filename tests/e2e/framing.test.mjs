// SPDX-License-Identifier: Apache-2.0
// RFC 6455 frame by frame: every opcode, length boundary, fragment, letter and close code, each case
// sent whole and in pieces. What comes back is written down to the last byte: each ends with a Close
// frame of the server, and the server ends the connection by itself.
import assert from 'node:assert/strict';
import net from 'node:net';
import { Project } from './lib/api.mjs';
import { deferred, event, until, within } from './lib/events.mjs';
import { closePayload, frame, FrameReader, handshake, OPCODE, RawWebSocket } from './lib/raw.mjs';
import { serverTest, step } from './lib/server.mjs';

const COMMAND_MAX = 32 * 1024;
const SMALL = 600; // longer ones are not sent byte by byte
const { continuation, text, binary, close, ping, pong } = OPCODE;

const hex = (digits) => Buffer.from(digits.replaceAll(' ', ''), 'hex');
const join = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const control = (opcode, payload = '', options = {}) => frame(payload, { opcode, ...options });
const closing = (code, reason) => control(close, closePayload(code, reason));

/** A command of exactly `length` bytes, or several that are that long together; each is answered. */
function commands(length, id = 2) {
  if (length <= COMMAND_MAX) return `{"id":${id},"rpc":{}}`.padEnd(length);
  return `${commands(COMMAND_MAX, id)}\n${commands(length - COMMAND_MAX - 1, id + 1)}`;
}
const RPC = commands(17);

/** Fragments of one message: the first with `opcode`, the last one final. */
function fragments(parts, opcode = text) {
  return parts.map((part, i) => frame(part, { opcode: i === 0 ? opcode : continuation, fin: i === parts.length - 1 }));
}

/** A frame's header with any length in any form, and a mask of zeros. */
function header(first, form, length) {
  const bytes = Buffer.alloc(form === 127 ? 14 : form === 126 ? 8 : 6);
  bytes[0] = first;
  bytes[1] = 0x80 | (form < 126 ? length : form);
  if (form === 126) bytes.writeUInt16BE(length, 2);
  if (form === 127) bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
}

const REPLY = 'reply 2';
const DONE = 'close 1000';

/** Rows: what is sent, and what is answered; a case that has not ended is then ended by 1000. */
const cases = [];
function add(name, bytes, ...answer) {
  cases.push({ name, bytes: Buffer.isBuffer(bytes) ? bytes : join(...bytes), answer });
}

// Opcodes.
add('text', frame(RPC), REPLY, DONE);
add('binary', frame(RPC, { opcode: binary }), REPLY, DONE);
add('two messages', [frame(RPC), frame(commands(17, 3))], REPLY, 'reply 3', DONE);
add('ping', control(ping), 'pong ', DONE);
add('pong that nobody asked for', [control(pong), control(pong, 'x'), frame(RPC)], REPLY, DONE);
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
  add(`opcode ${opcode}`, frame(RPC, { opcode }), 'close 1002');
  add(`opcode ${opcode}, empty, not final`, frame('', { opcode, fin: false }), 'close 1002');
  add(`opcode ${opcode} among fragments`, [frame('{', { fin: false }), frame('', { opcode })], 'close 1002');
}
for (const [name, opcode] of Object.entries(OPCODE)) {
  add(`${name} without a mask`, frame('', { opcode, masked: false }), 'close 1002');
  for (const rsv of [1, 2, 3, 4, 5, 6, 7]) add(`${name} with RSV ${rsv}`, frame('', { opcode, rsv }), 'close 1002');
}
add('RSV in a later fragment', [frame('{', { fin: false }), frame('}', { opcode: continuation, rsv: 4 })], 'close 1002');
add('a message is answered before what breaks the rules', [frame(RPC), frame('', { rsv: 4 })], REPLY, 'close 1002');

// Lengths.
add('length 0', frame(''), 'close 3501 bad request');
add('length 1', frame('{'), 'close 3501 bad request');
for (const length of [124, 125, 126, 127, 128, 255, 256, 4095, 4096, 4097])
  add(`length ${length}`, frame(commands(length)), REPLY, DONE);
for (const length of [65_535, 65_536]) add(`length ${length}`, frame(commands(length)), REPLY, 'reply 3', DONE);
add('length 65537', frame(commands(65_537)), 'close 1009');
add('length 65536 in fragments', fragments([commands(65_536).slice(0, 40_000), commands(65_536).slice(40_000)]),
  REPLY, 'reply 3', DONE);
add('length 65537 in fragments', fragments(['x'.repeat(65_536), 'x']), 'close 1009');
add('length 65537 in fragments of 1 KiB', fragments(Array.from({ length: 65 }, () => 'x'.repeat(1024))), 'close 1009');
for (const length of [2n ** 16n + 1n, 2n ** 31n, 2n ** 32n, 2n ** 32n + 17n, 2n ** 62n, 2n ** 63n - 1n])
  add(`length ${length} announced`, [header(0x81, 127, length), RPC], 'close 1009');
for (const length of [2n ** 63n, 2n ** 63n + 17n, 2n ** 64n - 1n])
  add(`length ${length} announced`, [header(0x81, 127, length), RPC], 'close 1002');
for (const [form, length] of [[126, 0], [126, 17], [126, 125], [127, 0], [127, 17], [127, 126], [127, 65_535]])
  add(`length ${length} in the form of ${form === 126 ? 2 : 8} bytes`, [header(0x81, form, length), commands(length)], 'close 1002');

// Control frames.
for (const length of [1, 124, 125]) add(`ping of ${length} bytes`, control(ping, 'x'.repeat(length)), `pong ${'x'.repeat(length)}`, DONE);
add('ping of bytes that are no text', control(ping, hex('00 ff fe 80')), 'pong \0\xff\xfe\x80', DONE);
for (const [name, opcode] of Object.entries({ close, ping, pong })) {
  add(`${name} of 126 bytes`, control(opcode, 'x'.repeat(126)), 'close 1002');
  add(`${name} of 65536 bytes`, control(opcode, 'x'.repeat(65_536)), 'close 1002');
  add(`${name} of 2 bytes in a longer form`, [header(0x80 | opcode, 126, 2), hex('03 e8')], 'close 1002');
  add(`${name} that is not final`, control(opcode, '', { fin: false }), 'close 1002');
}
add('1,000 pings in a row', Array.from({ length: 1_000 }, (_, i) => control(ping, String(i))),
  ...Array.from({ length: 1_000 }, (_, i) => `pong ${i}`), DONE);

// Fragments.
add('two fragments', fragments([RPC.slice(0, 5), RPC.slice(5)]), REPLY, DONE);
add('a fragment for each byte', fragments([...RPC]), REPLY, DONE);
add('a fragment for each byte, binary', fragments([...RPC], binary), REPLY, DONE);
add('empty fragments', fragments(['', '', RPC, '', '']), REPLY, DONE);
add('nothing but empty fragments', fragments(['', '', '']), 'close 3501 bad request');
{
  const [first, second, third] = fragments([RPC.slice(0, 3), RPC.slice(3, 9), RPC.slice(9)]);
  add('control frames among fragments', [first, control(ping, 'a'), second, control(pong, 'b'), control(ping, 'c'), third],
    'pong a', 'pong c', REPLY, DONE);
  add('close among fragments', [first, closing(1001), second, third], 'close 1001');
  add('a fragment left open', [first, second], DONE);
  add('a text among fragments', [first, frame(RPC)], 'close 1002');
  add('a binary among fragments', [first, frame(RPC, { opcode: binary, fin: false }), third], 'close 1002');
  add('a continuation of nothing', third, 'close 1002');
  add('a continuation of nothing, not final', second, 'close 1002');
  add('a continuation of what was complete', [frame(RPC), third], REPLY, 'close 1002');
}

// Text.
const inText = (bytes) => join('{"id":2,"rpc":{"data":"', bytes, '"}}');
const goodLetters = ['7f', 'c2 80', 'df bf', 'e0 a0 80', 'e2 82 ac', 'ed 9f bf', 'ee 80 80', 'ef bf bd', 'ef bf bf', 'f0 90 80 80', 'f0 9f 92 a9', 'f4 8f bf bf'];
for (const digits of goodLetters) {
  const letter = hex(digits);
  const whole = inText(letter);
  const cuts = Array.from({ length: letter.length - 1 }, (_, i) => whole.indexOf(letter) + 1 + i);
  add(`letter ${digits}`, frame(whole), REPLY, DONE);
  for (const at of cuts)
    add(`letter ${digits} in fragments, cut at ${at}`, fragments([whole.subarray(0, at), whole.subarray(at)]), REPLY, DONE);
}
const badLetters = {
  'a continuation byte alone': ['80', 'bf', '80 bf', 'ce ba e1 bd b9 cf 83 80'],
  'overlong': ['c0 80', 'c0 af', 'c1 bf', 'e0 80 80', 'e0 80 af', 'e0 9f bf', 'f0 80 80 80', 'f0 80 80 af', 'f0 8f bf bf'],
  'a surrogate': ['ed a0 80', 'ed ad bf', 'ed ae 80', 'ed bf bf', 'ed a0 80 ed b0 80'],
  'beyond U+10FFFF': ['f4 90 80 80', 'f5 80 80 80', 'f7 bf bf bf'],
  'of five or six bytes': ['f8 88 80 80 80', 'fb bf bf bf bf', 'fc 84 80 80 80 80', 'fd bf bf bf bf bf'],
  'bytes that never occur': ['fe', 'ff', 'fe fe ff ff'],
  'cut short': ['c2', 'df', 'e0 a0', 'e2 82', 'ef bf', 'f0', 'f0 90', 'f0 90 80', 'f4 8f bf'],
  'with a wrong byte': ['c2 41', 'e2 28 ac', 'e2 82 28', 'f0 28 92 a9', 'f0 9f 28 a9', 'f0 9f 92 28', 'c3 c3', 'e2 82 c2 80'],
};
for (const [name, all] of Object.entries(badLetters)) {
  for (const digits of all) {
    const letter = hex(digits);
    add(`${digits}, ${name}`, frame(inText(letter)), 'close 1007');
    add(`${digits}, ${name}, at the end`, frame(join(RPC, letter)), 'close 1007');
    add(`${digits}, ${name}, at the beginning`, frame(join(letter, RPC)), 'close 1007');
    add(`${digits}, ${name}, a fragment for each byte`, fragments(Array.from(letter, (byte) => Buffer.from([byte]))), 'close 1007');
    add(`${digits}, ${name}, in a close reason`, closing(1000, letter), 'close 1007');
  }
}

// Closing.
add('close without a code', control(close), 'close');
add('close of one byte', control(close, '\x03'), 'close 1002');
for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
  add(`close ${code}`, closing(code), `close ${code}`);
for (const code of [0, 1, 255, 256, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 65_535])
  add(`close ${code}`, closing(code), 'close 1002');
add('close with a reason', closing(1000, 'bye'), 'close 1000');
add('close with a reason of 123 bytes', closing(3000, 'x'.repeat(123)), 'close 3000');
add('close with a reason of 124 bytes', closing(3000, 'x'.repeat(124)), 'close 1002');
add('close with letters in its reason', closing(4000, 'ä€💩'), 'close 4000');
add('what follows a close', [closing(1000), frame(RPC), control(ping, 'x'), closing(4000), hex('ff ff ff')], 'close 1000');
add('what follows a violation', [frame('', { rsv: 1 }), frame(RPC), control(ping, 'x'), closing(4000)], 'close 1002');

/** Bytes to pieces. */
function* cut(bytes, size) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** One line for a frame of the server. */
function describe({ opcode, payload }) {
  if (opcode === pong) return `pong ${payload.toString('latin1')}`;
  if (opcode === close) return `close ${payload.length > 0 ? payload.readUInt16BE(0) : ''} ${payload.subarray(2)}`.trim();
  assert.equal(opcode, text);
  const message = JSON.parse(payload);
  if (message.connect) return 'connected';
  assert.equal(message.error?.code, 108, String(payload));
  return `reply ${message.id}`;
}

/** Connects, sends the bytes in pieces and a Close of 1000; what is answered until the server ends the connection. */
async function converse(server, connect, bytes, size) {
  const reader = new FrameReader();
  const lines = [];
  const connected = deferred();
  const ended = deferred();
  let head = Buffer.alloc(0);
  const take = (chunk) => {
    let rest = chunk;
    if (head !== null) {
      head = join(head, chunk);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      rest = head.subarray(end + 4);
      head = null;
    }
    for (const one of reader.feed(rest)) lines.push(describe(one));
    if (lines.length > 0) connected.resolve();
  };
  const socket = net.connect({ port: server.port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  server.own(socket);
  const fail = (error) => [connected, ended].forEach((promise) => promise.reject(error));
  socket.on('data', (chunk) => {
    try {
      take(chunk);
    } catch (error) {
      fail(error);
    }
  });
  socket.on('error', fail);
  socket.on('end', () => ended.resolve());
  socket.write(join(handshake(server).bytes, connect));
  await within(connected.promise, 'the connect reply');
  for (const piece of cut(join(bytes, closing(1000)), size))
    await new Promise((resolve) => socket.write(piece, () => setImmediate(resolve)));
  await within(ended.promise, `the server to end it; so far: ${lines}`);
  socket.destroy();
  assert.equal(lines.shift(), 'connected');
  return lines;
}

serverTest('frames, whole and in pieces', { 'log.level': 'warning' }, async (server, t) => {
  const project = await Project.create(server);
  const data = { auth: project.token('u1'), project_id: project.id };
  const connect = frame(JSON.stringify({ connect: { data }, id: 1 }));
  assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length, 'each name once');
  for (const { name, bytes, answer } of cases) {
    await step(t, server, name, async () => {
      const sizes = bytes.length <= SMALL ? [Infinity, 1, 2, 3, 7] : [Infinity, 4093, 16_381];
      const all = await Promise.all(sizes.map((size) => converse(server, connect, bytes, size)));
      for (const [i, lines] of all.entries()) assert.deepEqual(lines, answer, `in pieces of ${sizes[i]}`);
    });
  }
  t.diagnostic(`${cases.length} cases`);
  await until(async () => (await server.metric('websockets')) === 0, 'the connections to be given back');
});

serverTest('the first frames', { 'log.level': 'warning' }, async (server, t) => {
  const project = await Project.create(server);
  const data = { auth: project.token('u1'), project_id: project.id };
  const connect = frame(JSON.stringify({ connect: { data }, id: 1 }));
  await step(t, server, 'in one go with the handshake', async () => {
    const socket = await RawWebSocket.open(server, { early: join(connect, frame(RPC)) });
    assert.equal((await socket.next()).id, 1);
    assert.equal((await socket.next()).id, 2);
    socket.destroy();
  });
  await step(t, server, 'cut off in the middle of everything', async () => {
    const whole = join(handshake(server).bytes, connect);
    for (let length = 1; length < whole.length; length += 17) {
      const socket = net.connect(server.port, '127.0.0.1');
      await event(socket, 'connect');
      await new Promise((resolve) => socket.write(whole.subarray(0, length), resolve));
      socket.destroy();
    }
    await until(async () => (await server.metric('websockets')) === 0, 'the connections to be given back');
    await until(async () => (await server.metric('sessions')) === 0, 'the sessions to be given back');
  });
});

serverTest('a peer that floods with pings and does not read', { 'log.level': 'warning' }, async (server) => {
  const before = server.memory('VmRSS');
  const socket = await RawWebSocket.open(server);
  socket.tcp.pause();
  const flood = join(...Array.from({ length: 4_000 }, () => control(ping, 'x'.repeat(125))));
  await until(async () => {
    if (socket.tcp.writable && socket.tcp.writableLength === 0) socket.write(flood);
    return (await server.metric('websockets')) === 0;
  }, 'the server to end it');
  assert.ok(server.memory('VmRSS') - before < 8 * 1024);
});
