// SPDX-License-Identifier: Apache-2.0
// WebSocket by hand: every byte that is sent is the test's own, and what comes back is held against
// RFC 6455 and against what the store SDKs can read.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { deferred, Inbox, within } from './events.mjs';

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** One frame of a client; every rule of it can be broken. */
export function frame(payload, { opcode = OPCODE.text, fin = true, rsv = 0, masked = true } = {}) {
  const body = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const flag = masked ? 0x80 : 0;
  let head;
  if (body.length < 126) {
    head = Buffer.from([first, flag | body.length]);
  } else if (body.length < 65536) {
    head = Buffer.from([first, flag | 126, body.length >> 8, body.length & 0xff]);
  } else {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = flag | 127;
    head.writeBigUInt64BE(BigInt(body.length), 2);
  }
  if (!masked) return Buffer.concat([head, body]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, body.map((byte, i) => byte ^ mask[i & 3])]);
}

/** A connection to the server, by TLS where it has a certificate of `server.ca`. */
export function dial({ port, ca }) {
  const options = { port, host: '127.0.0.1', noDelay: true };
  return ca ? tls.connect({ ...options, ca }) : net.connect(options);
}

export function closePayload(code, reason = '') {
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
}

/** The opening handshake; a header set to null is left out. */
export function handshake(server, { headers = {}, method = 'GET', path = '/connection/websocket' } = {}) {
  const key = randomBytes(16).toString('base64');
  const all = {
    Host: `127.0.0.1:${server.port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': key,
    ...headers,
  };
  const lines = Object.entries(all)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return { bytes: `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, accept };
}

/** The server's frames out of a stream of bytes; it must not mask, fragment or use reserved bits. */
export class FrameReader {
  #bytes = Buffer.alloc(0);

  *feed(chunk) {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      const found = this.#take();
      if (!found) return;
      yield found;
    }
  }

  #take() {
    const bytes = this.#bytes;
    if (bytes.length < 2) return null;
    assert.equal(bytes[0] & 0xf0, 0x80, 'FIN alone is set');
    assert.equal(bytes[1] & 0x80, 0, 'the server does not mask');
    let length = bytes[1];
    let start = 2;
    if (length === 126) {
      if (bytes.length < 4) return null;
      length = bytes.readUInt16BE(2);
      assert.ok(length >= 126, 'the shortest length form is used');
      start = 4;
    } else if (length === 127) {
      if (bytes.length < 10) return null;
      length = Number(bytes.readBigUInt64BE(2));
      assert.ok(length >= 65536, 'the shortest length form is used');
      start = 10;
    }
    if (bytes.length < start + length) return null;
    this.#bytes = bytes.subarray(start + length);
    return { opcode: bytes[0] & 0x0f, payload: bytes.subarray(start, start + length) };
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** One connection. Pings of the protocol (`{}`) and Close frames are answered unless told otherwise. */
export class RawWebSocket {
  #reader = new FrameReader();
  #head = Buffer.alloc(0);
  #accept;
  #opened = deferred();
  #ended = deferred();
  #error = null;
  #close = null;
  #status = 0;

  /** Messages, Close excluded; pings of the protocol only when they are not answered here. */
  inbox = new Inbox();
  pongs = new Inbox();
  pings = 0;

  /**
   * Opens a connection. `early` is sent with the handshake in one go. With `mayFail` the answer to the
   * handshake may be any; it is in `handshake`.
   */
  static async open(server, { early = '', answerPings = true, answerClose = true, mayFail = false, ...request } = {}) {
    const socket = server.own(new RawWebSocket());
    const { bytes, accept } = handshake(server, request);
    socket.#accept = accept;
    Object.assign(socket, { answerPings, answerClose });
    socket.tcp = dial(server);
    socket.tcp.on('data', (chunk) => socket.#receive(chunk));
    socket.tcp.on('error', (error) => (socket.#error = error));
    socket.tcp.on('close', () => socket.#end());
    socket.tcp.write(Buffer.concat([Buffer.from(bytes), Buffer.from(early)]));
    socket.handshake = await within(socket.#opened.promise, 'the answer to the handshake');
    if (!mayFail) assert.equal(socket.handshake.status, 101, socket.handshake.text);
    return socket;
  }

  #receive(chunk) {
    try {
      const bytes = this.#status === 0 ? this.#open(chunk) : chunk;
      if (this.#status !== 101) return;
      for (const one of this.#reader.feed(bytes)) this.#take(one);
    } catch (error) {
      this.#error = error;
      this.tcp.destroy();
    }
  }

  /** Reads the answer to the handshake; the bytes after it. */
  #open(chunk) {
    this.#head = Buffer.concat([this.#head, chunk]);
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return null;
    const [first, ...lines] = this.#head.subarray(0, end).toString('latin1').split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    const rest = this.#head.subarray(end + 4);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
    if (status !== 101 && rest.length < Number(headers['content-length'] ?? 0)) return null;
    if (status === 101) assert.equal(headers['sec-websocket-accept'], this.#accept);
    this.#status = status;
    this.#opened.resolve({ status, headers, text: status === 101 ? '' : rest.toString() });
    return rest;
  }

  #take({ opcode, payload }) {
    assert.equal(this.#close, null, 'nothing comes after a Close frame');
    switch (opcode) {
      case OPCODE.text:
        return this.#takeText(utf8.decode(payload));
      case OPCODE.pong:
        return this.pongs.push(Buffer.from(payload));
      case OPCODE.close:
        assert.ok(payload.length === 0 || payload.length >= 2);
        this.#close =
          payload.length === 0
            ? { code: 1005, reason: '' }
            : { code: payload.readUInt16BE(0), reason: utf8.decode(payload.subarray(2)) };
        if (this.answerClose && !this.tcp.writableEnded) this.tcp.end(frame(payload, { opcode }));
        return undefined;
      default:
        throw new Error(`a frame with opcode ${opcode}`);
    }
  }

  #takeText(text) {
    if (text === '{}') {
      this.pings++;
      if (this.answerPings) {
        this.send('{}');
        return;
      }
    }
    this.inbox.push(text);
  }

  #end() {
    const error = this.#error ?? new Error('the connection ended');
    const close = this.#close ?? { code: 1006, reason: error.message };
    this.#opened.reject(error);
    this.#ended.resolve(close);
    this.inbox.end(new Error(`closed with ${close.code} ${close.reason}`));
    this.pongs.end(new Error(`closed with ${close.code} ${close.reason}`));
    if (error instanceof assert.AssertionError) this.violation = error;
  }

  send(message) {
    this.tcp.write(frame(message));
  }

  write(bytes) {
    this.tcp.write(bytes);
  }

  /** The next message, which must be exactly one JSON value: what the store SDKs demand. */
  async next(what, ms) {
    return JSON.parse(await this.text(what, ms));
  }

  async text(what, ms) {
    return this.inbox.next(what, ms);
  }

  /** The next push's publication. */
  async publication(what = 'a publication') {
    const message = await this.next(what);
    assert.ok(message.push?.pub, `a push: ${JSON.stringify(message)}`);
    return { channel: message.push.channel, ...message.push.pub };
  }

  /** Connects as `data`; the reply's `connect`, with the channel and its subscription. */
  async connect(data, { id = 1, subs } = {}) {
    this.send(JSON.stringify({ connect: { data, ...(subs && { subs }) }, id }));
    const reply = await this.next('the connect reply');
    assert.equal(reply.id, id);
    assert.ok(reply.connect, `a connect reply: ${JSON.stringify(reply)}`);
    const [[channel, sub]] = Object.entries(reply.connect.subs);
    return { ...reply.connect, channel, sub };
  }

  /** The code and reason of the Close frame; 1006 when there was none. */
  async closed(what = 'the connection to close') {
    const close = await within(this.#ended.promise, what);
    if (this.violation) throw this.violation;
    return close;
  }

  get isOpen() {
    return this.#close === null && !this.tcp.destroyed;
  }

  /** The cable is pulled. */
  destroy() {
    this.tcp.destroy();
  }
}
