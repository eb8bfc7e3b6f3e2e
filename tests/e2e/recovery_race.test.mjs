// SPDX-License-Identifier: Apache-2.0
// Updates stream in as fast as they are taken while clients come and go at moments of a random
// generator's choice. Whatever the timing: what a client was pushed, what it recovered and what it read
// from the history are together each event once, in order.
import assert from 'node:assert/strict';
import { Project } from './lib/api.mjs';
import { random, short } from './lib/events.mjs';
import { RawWebSocket } from './lib/raw.mjs';
import { serverTest } from './lib/server.mjs';

const RUN_MS = short ? 5_000 : 9_000;
const CLIENTS = short ? 8 : 16;
const USERS = 4;
const STATUSES = ['new', 'paid', 'done'];
const seed = Number(process.env.ORDERWIRE_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** What stands at an offset of the stream of user `u`: the writer below makes it so. */
function expected(u, offset) {
  const index = offset - 1;
  const order = Math.floor(index / STATUSES.length);
  return { order_id: 1 + order * USERS + u, status: STATUSES[index % STATUSES.length] };
}

class Client {
  position = 0; // the last offset that was taken
  connects = 0;
  recoveries = 0;
  gaps = 0; // bridged by the history
  pushed = 0;

  constructor(server, project, u, next) {
    Object.assign(this, { server, u, next });
    this.data = { auth: project.token(`u${u}`), project_id: project.id };
  }

  take({ data, offset }) {
    assert.equal(offset, this.position + 1, `user ${this.u} after offset ${this.position}`);
    assert.deepEqual(data, expected(this.u, offset));
    this.position = offset;
  }

  /** Connects with the position, sometimes without, and bridges what was not recovered. */
  async connect() {
    const asks = this.epoch !== undefined && this.next() < 0.8;
    const socket = await RawWebSocket.open(this.server);
    this.socket = socket;
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
      for (const publication of sub.publications ?? []) this.take(publication);
    } else {
      await this.bridge(socket, sub.offset ?? 0);
    }
    return socket;
  }

  /** Reads the history up to `top`, page by page; what is pushed meanwhile is kept for later. */
  async bridge(socket, top) {
    this.later = [];
    for (let id = 2; this.position < top; id++) {
      this.gaps++;
      const since = { offset: this.position, epoch: this.epoch };
      const limit = Math.min(top - this.position, 100);
      socket.send(JSON.stringify({ history: { channel: this.channel, limit, since }, id }));
      for (;;) {
        const message = await socket.next('the history');
        if (message.push) {
          this.later.push(message.push.pub);
          continue;
        }
        assert.equal(message.id, id);
        assert.ok(message.history, JSON.stringify(message));
        assert.ok(message.history.offset >= top);
        assert.equal(message.history.publications.length, limit);
        for (const publication of message.history.publications) this.take(publication);
        break;
      }
    }
    for (const publication of this.later) this.push(publication);
  }

  push(publication) {
    if (publication.offset === undefined) return; // a latest status
    this.pushed++;
    this.take(publication);
  }

  /** Reads pushes until the stream stands at `end`, or for a while when `end` is not known yet. */
  async read(socket, pushes, end) {
    const last = end ?? this.position + pushes;
    while (this.position < last && (end !== undefined || !this.stopped()))
      this.push(await socket.publication().then(({ channel, ...publication }) => publication));
  }

  async run(stopped) {
    this.stopped = stopped;
    while (!stopped()) {
      try {
        const socket = await this.connect();
        await this.read(socket, Math.floor(this.next() ** 3 * 400));
        socket.destroy();
      } catch (error) {
        if (!stopped() || error instanceof assert.AssertionError || this.socket.violation) throw error;
      }
    }
  }

  /** Whoever still waits waits no longer. */
  cut() {
    this.socket?.destroy();
  }

  /** At the end everyone has everything, and nothing more comes. */
  async finish(end) {
    const socket = await this.connect();
    await this.read(socket, 0, end);
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

serverTest(
  'clients that come and go while events stream in',
  { 'history.max_events': 1_000_000, 'log.level': 'info', 'realtime.latest_window': '0s' },
  async (server, t) => {
    t.diagnostic(`ORDERWIRE_SEED=${seed}`);
    const project = await Project.create(server);
    const next = random(seed);
    const end = Date.now() + RUN_MS;
    const stopped = () => Date.now() >= end;
    const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(server, project, i % USERS, random(seed + 1 + i)));

    let events = 0;
    const writer = (async () => {
      while (!stopped()) {
        const lines = [];
        const count = 1 + Math.floor(next() * 40);
        for (let i = 0; i < count; i++, events++)
          for (let u = 0; u < USERS; u++) lines.push({ ...expected(u, events + 1), user_external_id: `u${u}` });
        await project.batch(lines);
      }
    })();
    const bell = setTimeout(() => clients.forEach((client) => client.cut()), RUN_MS);
    try {
      await Promise.all([writer, ...clients.map((client) => client.run(stopped))]);
      clearTimeout(bell); // all may have stopped by the clock before it has rung
      await Promise.all(clients.map((client) => client.finish(events)));
    } catch (error) {
      error.message += ` (ORDERWIRE_SEED=${seed})`;
      throw error;
    } finally {
      clearTimeout(bell);
    }
    const sum = (field) => clients.reduce((total, client) => total + client[field], 0);
    t.diagnostic(
      `${events} events for each of ${USERS} users; ${sum('connects')} connects, ${sum('recoveries')} recovered, ` +
        `${sum('gaps')} pages of history, ${sum('pushed')} pushes`,
    );
    assert.ok(events > 100);
    assert.ok(sum('recoveries') > 0 && sum('gaps') > 0 && sum('pushed') > 0);
  },
);
