// SPDX-License-Identifier: Apache-2.0
// Clients by the thousand in one process of node: bytes read by hand, nothing held for long.
import { dial, frame } from './raw.mjs';

const PING = Buffer.from('{}');
const PONG = frame('{}');
const STATUSES = ['new', 'paid', 'done'];
const FIRST_ORDER = 1_000_000;

/** What user `u` of `users` is told at an offset: each order takes three events. */
export function eventAt(u, offset, users) {
  const order = Math.floor((offset - 1) / STATUSES.length);
  return { order_id: FIRST_ORDER + u + order * users, status: STATUSES[(offset - 1) % STATUSES.length] };
}

/** `publication` is the one that user `u` of `users` is told after `offset`. */
export function isNext({ data, offset }, u, before, users) {
  const { order_id, status } = eventAt(u, before + 1, users);
  return offset === before + 1 && data.order_id === order_id && data.status === status;
}

/**
 * One WebSocket connection in JSON. `bytes` are sent at once; `on.opened()` is called when the
 * handshake has succeeded, `on.message(payload)` for each message but pings, which are answered, and
 * `on.failed(error)` when it ends in any way but by destroy().
 */
export class LightConnection {
  #rest = null;
  #upgraded = false;
  #over = false;

  constructor(server, bytes, on) {
    this.on = on;
    this.socket = dial(server);
    this.socket.on('data', (chunk) => this.#read(chunk));
    this.socket.on('error', (error) => this.#fail(error));
    this.socket.on('close', () => this.#fail(new Error('the connection ended')));
    this.socket.write(bytes);
  }

  write(bytes) {
    this.socket.write(bytes);
  }

  destroy() {
    this.#over = true;
    this.socket.destroy();
  }

  #fail(error) {
    if (this.#over) return;
    this.destroy();
    this.on.failed(error);
  }

  #read(chunk) {
    let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = null;
    if (!this.#upgraded) bytes = this.#open(bytes);
    if (this.#upgraded) bytes = this.#frames(bytes);
    if (bytes.length > 0) this.#rest = Buffer.from(bytes);
  }

  #open(bytes) {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return bytes;
    const line = bytes.toString('latin1', 0, bytes.indexOf('\r'));
    this.#upgraded = line === 'HTTP/1.1 101 Switching Protocols';
    if (this.#upgraded) this.on.opened?.();
    else this.#fail(new Error(`the handshake was answered ${line}`));
    return bytes.subarray(end + 4);
  }

  /** Takes whole frames; what is left. */
  #frames(bytes) {
    for (;;) {
      if (bytes.length < 2) return bytes;
      const long = bytes[1] === 126;
      if (long && bytes.length < 4) return bytes;
      const start = long ? 4 : 2;
      const end = start + (long ? bytes.readUInt16BE(2) : bytes[1]);
      if (bytes.length < end) return bytes;
      if (bytes[0] !== 0x81 || bytes[1] > 126)
        this.#fail(new Error(`a frame of another kind: ${bytes.subarray(0, 40).toString('latin1')}`));
      if (this.#over) return Buffer.alloc(0);
      this.#message(bytes.subarray(start, end));
      bytes = bytes.subarray(end);
    }
  }

  #message(payload) {
    if (payload.equals(PING)) this.socket.write(PONG);
    else this.on.message(payload);
  }
}
