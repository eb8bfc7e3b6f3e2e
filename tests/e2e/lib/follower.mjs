// SPDX-License-Identifier: Apache-2.0
// A live client that comes and goes: it brings its position when it returns, reads from the history what was
// not recovered, and takes each event of its stream once and in order, whatever the timing.
import assert from 'node:assert/strict';
import { RawWebSocket } from './raw.mjs';

const PAGE = 100;
const PAUSE_MS = 10;

export class Follower {
  position = 0; // the last offset that was taken
  connects = 0;
  recoveries = 0;
  gaps = 0; // bridged by the history
  pushed = 0;

  /**
   * `data` goes into the connect command, `next()` is its random generator, `taken(publication)` checks what was
   * taken. When a connection is lost `lost(error)` is awaited, which may throw.
   */
  constructor(server, { data, next, taken, lost }) {
    Object.assign(this, { server, data, next, taken, lost });
  }

  #take(publication) {
    assert.equal(publication.offset, this.position + 1, `${this.channel} after offset ${this.position}`);
    this.taken(publication);
    this.position = publication.offset;
  }

  /** Connects with the position, sometimes without, and bridges what was not recovered. */
  async connect() {
    const asks = this.epoch !== undefined && this.next() < 0.8;
    const socket = await RawWebSocket.open(this.server, { mayFail: true });
    this.socket = socket;
    if (socket.handshake.status === 503) throw new Error('the server takes no connections now');
    assert.equal(socket.handshake.status, 101, socket.handshake.text);
    const subs = asks
      ? { [this.channel]: { recover: true, epoch: this.epoch, ...(this.position && { offset: this.position }) } }
      : undefined;
    const { channel, sub } = await socket.connect(this.data, { subs });
    this.connects++;
    assert.equal(this.epoch ?? sub.epoch, sub.epoch);
    this.channel = channel;
    this.epoch = sub.epoch;
    if (sub.recovered) {
      this.recoveries++;
      assert.ok(asks);
      assert.equal(sub.offset ?? 0, this.position);
      for (const publication of sub.publications ?? []) this.#take(publication);
    } else {
      await this.#bridge(socket, sub.offset ?? 0);
    }
    return socket;
  }

  /** Reads the history up to `top`, page by page; what is pushed meanwhile is kept for later. */
  async #bridge(socket, top) {
    const later = [];
    assert.ok(top >= this.position, `${this.channel} stands at ${top}, and was told up to ${this.position}`);
    for (let id = 2; this.position < top; id++) {
      this.gaps++;
      const since = { offset: this.position, epoch: this.epoch };
      const limit = Math.min(top - this.position, PAGE);
      socket.send(JSON.stringify({ history: { channel: this.channel, limit, since }, id }));
      for (;;) {
        const message = await socket.next('the history');
        if (message.push) {
          later.push(message.push.pub);
          continue;
        }
        assert.equal(message.id, id);
        assert.ok(message.history, JSON.stringify(message));
        assert.ok(message.history.offset >= top);
        assert.equal(message.history.publications.length, limit);
        for (const publication of message.history.publications) this.#take(publication);
        break;
      }
    }
    for (const publication of later) this.#push(publication);
  }

  #push(publication) {
    if (publication.offset === undefined) return; // a latest status
    this.pushed++;
    this.#take(publication);
  }

  /** Reads pushes until the stream stands at `end`, or for a while when `end` is not known yet. */
  async #read(socket, pushes, end) {
    const last = end ?? this.position + pushes;
    while (this.position < last && (end !== undefined || !this.stopped()))
      this.#push(await socket.publication(`${this.channel} after offset ${this.position}`));
  }

  /** Comes and goes until it is `stopped()`; who waits then is freed by cut(). */
  async run(stopped) {
    this.stopped = stopped;
    while (!stopped()) {
      try {
        const socket = await this.connect();
        await this.#read(socket, Math.floor(this.next() ** 3 * 400));
        socket.destroy();
      } catch (error) {
        this.socket?.destroy();
        if (error instanceof assert.AssertionError || this.socket?.violation) throw error;
        if (!stopped()) await this.lost(error);
      }
    }
  }

  cut() {
    this.socket?.destroy();
  }

  /** At the end everyone has everything, and nothing more comes. */
  async finish(end) {
    const socket = await this.connect();
    const from = this.position;
    await this.#read(socket, 0, end).catch((error) => {
      throw new Error(`${error.message}; it was told up to ${from} at once, of ${end}`);
    });
    assert.equal(this.position, end);
    socket.send('{"id":1000000,"rpc":{}}');
    for (;;) {
      const message = await socket.next('the last reply');
      if (message.id === 1000000) break;
      assert.equal(message.push.pub.offset, undefined);
    }
    socket.destroy();
  }
}

/** For `lost`: tries again a little later, once the server is there. */
export function comeBack(server) {
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    await server.up;
  };
}
