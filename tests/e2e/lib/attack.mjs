// SPDX-License-Identifier: Apache-2.0
// Hostile clients, all on the machine itself and bounded in number and time, and a healthy one beside them
// that says what it notices.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { deferred, short, until, within } from './events.mjs';
import { RawWebSocket } from './raw.mjs';

/* What a server that does not read makes an intruder keep. */
const QUEUE_MAX = 1_000_000;
const SAMPLES = short ? 40 : 100;

/** A connection that says `bytes` and then nothing; what it was told, and its end. */
export class Intruder {
  #ended = deferred();
  text = '';

  constructor(server, bytes = '', { reads = true } = {}) {
    this.tcp = net.connect({ port: server.port, host: '127.0.0.1', noDelay: true });
    this.tcp.setEncoding('latin1');
    this.tcp.on('error', () => {});
    this.tcp.on('close', () => this.#ended.resolve(this.text));
    if (reads) this.tcp.on('data', (text) => (this.text = (this.text + text).slice(-100_000)));
    else this.tcp.pause();
    if (bytes) this.tcp.write(bytes);
    server.own(this);
  }

  get isOpen() {
    return !this.tcp.destroyed;
  }

  write(bytes) {
    if (this.tcp.writable && this.tcp.writableLength < QUEUE_MAX) this.tcp.write(bytes);
  }

  /** All that it was told, when it is over. */
  async ended(what = 'the intruder to be sent away') {
    return within(this.#ended.promise, what);
  }

  /** The status of its first answer. */
  async status() {
    const head = await until(() => /^HTTP\/1\.1 (\d{3}) /.exec(this.text) ?? (this.isOpen ? null : []), 'an answer');
    return Number(head[1] ?? 0);
  }

  destroy() {
    this.tcp.destroy();
  }
}

/** `count` of them, a few at a time so that the queue of the kernel does not overflow. */
export async function crowd(server, count, bytes, options) {
  const intruders = [];
  while (intruders.length < count) {
    const some = Array.from({ length: Math.min(100, count - intruders.length) }, (_, i) => {
      const text = typeof bytes === 'function' ? bytes(intruders.length + i) : bytes;
      return new Intruder(server, text, options);
    });
    await Promise.all(some.map((one) => (one.tcp.connecting ? Promise.race([once(one.tcp, 'connect'), one.ended()]) : null)));
    intruders.push(...some);
  }
  return intruders;
}

/** Each of them says `bytes` once in `period` ms, spread over it, until the function that comes back is called. */
export function drip(intruders, bytes, period) {
  const STEP = 10;
  let next = 0;
  const timer = setInterval(() => {
    for (let left = Math.ceil((intruders.length * STEP) / period); left > 0; left--)
      intruders[next++ % intruders.length].write(bytes);
  }, STEP);
  return () => clearInterval(timer);
}

let users = 0;

/** A buyer's client and its merchant: each event is timed from the post to the push. */
export class Healthy {
  static async create(server, project) {
    const healthy = new Healthy();
    Object.assign(healthy, { project, user: `healthy-${++users}` });
    healthy.socket = await RawWebSocket.open(server);
    await healthy.socket.connect({ auth: project.token(healthy.user), project_id: project.id });
    await healthy.p99();
    return healthy;
  }

  async #sample() {
    const begin = performance.now();
    const { order_id } = await this.project.create(this.user);
    const publication = await this.socket.publication();
    assert.equal(publication.data.order_id, order_id);
    return performance.now() - begin;
  }

  /** ms that 99 of 100 events take at most; under a sanitizer, which makes everything slow at times, 90. */
  async p99() {
    const times = [];
    for (let i = 0; i < SAMPLES; i++) times.push(await this.#sample());
    times.sort((a, b) => a - b);
    return times[Math.ceil(times.length * (short ? 0.9 : 0.99)) - 1];
  }
}

/**
 * Runs `attack` beside a healthy client. Its p99 stays within twice of what it is in peace, before or after, for
 * other programs take their share of the machine as they like; or below `floor` ms, which is too short to tell.
 * The server's memory grows by `memory` KiB at most.
 */
export async function withstand(server, project, attack, { memory = 32 * 1024, floor = short ? 500 : 100 } = {}) {
  const healthy = await Healthy.create(server, project);
  let calm = await healthy.p99();
  const before = server.memory('RssAnon');
  const end = await attack();
  const troubled = await healthy.p99();
  const grown = server.memory('RssAnon') - before;
  await end?.();
  const isWithin = () => troubled <= Math.max(2 * calm, floor);
  if (!isWithin()) calm = Math.max(calm, await healthy.p99());
  const figures = `p99 ${troubled.toFixed(1)} ms against ${calm.toFixed(1)} ms, memory +${grown} KiB`;
  assert.ok(isWithin(), figures);
  // A sanitizer adds to each piece of memory, and keeps it for a while when it is freed.
  assert.ok(grown <= (short ? 8 : 1) * memory, figures);
  return figures;
}
