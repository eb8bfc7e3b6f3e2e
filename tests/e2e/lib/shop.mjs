// SPDX-License-Identifier: Apache-2.0
// A shop in full swing: writers walk orders through their statuses, singly and in batches; buyers follow by
// WebSocket and poll Get order; a receiver takes the webhooks. It knows what the server has acknowledged, and
// holds everything that is seen on any channel against that, at once. The server may die, refuse with 503 or be
// deaf for a while: everyone tries again until it is there.
import assert from 'node:assert/strict';
import { deferred, random, until, within } from './events.mjs';
import { comeBack, Follower } from './follower.mjs';
import { Project } from './api.mjs';
import { Receiver } from './receiver.mjs';
import { Ledger, PATIENT } from './webhooks.mjs';

const STATUSES = ['new', 'paid', 'done'];
const USERS = 6;
const WRITERS = 8;
const FOLLOWERS = 12;
const POLLERS = 4;
export const CONCURRENCY = 10;
const BATCH = 40;
/** The server gives out ids above the highest; the writers' own are below. */
const TOP_ID = 1_000_000_000;
const SETTLE_MS = 60_000;

/** What a server for a shop is started with. */
export const SETTINGS = {
  ...PATIENT, 'history.max_events': 1_000_000, 'log.level': 'info', 'realtime.latest_window': '0s',
  'limits.requests_per_user': 0, 'limits.commands_per_second': 0,
};

/** One user's stream as it was seen first; whoever sees it later must see the same. */
class Stream {
  events = [];
  #ranks = new Map();

  rank(orderId) {
    return this.#ranks.get(orderId) ?? 0;
  }

  take({ offset, data: { order_id: id, status } }) {
    if (offset <= this.events.length) {
      assert.deepEqual([id, status], this.events[offset - 1], `offset ${offset} was something else before`);
      return;
    }
    assert.equal(offset, this.events.length + 1);
    assert.equal(status, STATUSES[this.rank(id)], `order ${id} after ${this.rank(id)} events`);
    this.#ranks.set(id, this.rank(id) + 1);
    this.events.push([id, status]);
  }
}

/** One order: how many events were acknowledged, how many asked for, and how many someone has seen. */
class Order {
  acked = 0;
  asked = 0;
  seen = 0;

  constructor(id, user) {
    Object.assign(this, { id, user });
  }

  acknowledge(seq) {
    assert.equal(seq, this.acked + 1, `order ${this.id}: the answer's seq`);
    this.acked = seq;
  }
}

export class Shop {
  failed = deferred();
  acked = 0; // events
  repeated = 0; // requests that were sent again
  replayed = 0; // of them: the first had done it
  polls = 0;
  latencies = []; // of single updates that were answered at once, in ms
  #orders = [];
  #streams = Array.from({ length: USERS }, () => new Stream());
  #running = [];
  #stopped = true;
  #keys = 0;
  #ids = 0;

  /** `seed` decides what everyone does; a writer rests for up to `pace` ms at times. Makes its project. */
  static async open(server, seed, pace = 0) {
    const shop = server.own(new Shop());
    Object.assign(shop, { server, seed, pace, pause: comeBack(server) });
    shop.project = await Project.withWebhooks(server);
    await shop.project.create('nobody', { order_id: TOP_ID });
    shop.tokens = Array.from({ length: USERS }, (_, u) => shop.project.token(`u${u}`, { iat: 1_700_000_000, exp: 4_000_000_000 }));
    await shop.#openReceiver(random(seed + 1));
    shop.followers = Array.from({ length: FOLLOWERS }, (_, i) => shop.#follower(i % USERS, random(seed + 100 + i)));
    return shop;
  }

  async #openReceiver(next) {
    const script = () => ({ status: next() < 0.05 ? 500 : 200, delay: Math.floor(next() * 4) });
    this.receiver = await Receiver.open(this.server, { script, keep: false });
    const schedule = Array(30).fill(0.05);
    const { secret } = await this.project.webhook({ url: this.receiver.url, concurrency: CONCURRENCY, schedule });
    this.ledger = new Ledger(secret);
    this.receiver.listen((received) => this.ledger.take(received));
  }

  #follower(u, next) {
    return new Follower(this.server, {
      data: { auth: this.tokens[u], project_id: this.project.id },
      next,
      taken: (publication) => this.#streams[u].take(publication),
      lost: this.pause,
    });
  }

  /** `promise`, unless somebody finds a fault first. */
  guard(promise) {
    return Promise.race([promise, this.failed.promise]);
  }

  /** Everyone goes to work. */
  start() {
    this.#stopped = false;
    const stopped = () => this.#stopped;
    this.starts = (this.starts ?? 0) + 1;
    const generator = (i) => random(this.seed + 1000 * this.starts + i);
    this.#running = [
      ...Array.from({ length: WRITERS }, (_, i) => this.#write(generator(i))),
      ...Array.from({ length: POLLERS }, (_, i) => this.#poll(generator(200 + i))),
      ...this.followers.map((follower) => follower.run(stopped)),
    ];
    for (const one of this.#running) one.catch((error) => this.failed.reject(error));
  }

  /** One request of the merchant's, repeated with its key until it is answered for good. */
  async #send(method, path, body, headers = {}) {
    const key = `${this.seed}-${++this.#keys}`;
    for (let tries = 1; ; tries++) {
      await this.server.up;
      const begun = performance.now();
      const answer = await this.project
        .request(method, path, body, { ...headers, 'idempotency-key': key })
        .catch(() => null);
      if (answer && answer.status !== 503) {
        if (tries === 1 && method === 'PATCH') this.latencies.push(performance.now() - begun);
        if (answer.headers.get('idempotent-replayed')) this.replayed++;
        assert.ok(answer.status === 200 || answer.status === 201, `${method} ${path}: ${answer.text}`);
        return answer;
      }
      this.repeated++;
      await this.pause();
    }
  }

  #acknowledge(order, answer) {
    assert.equal(answer.errorCode, undefined, JSON.stringify(answer));
    assert.equal(answer.order_id, order.id);
    order.acknowledge(answer.seq);
    this.acked++;
  }

  #newOrder(next) {
    const order = new Order(TOP_ID - ++this.#ids, Math.floor(next() * USERS));
    this.#orders.push(order);
    return order;
  }

  /** One order to its end, one request a status. A new one's id is sometimes the server's choice. */
  async #walk(next) {
    let order;
    if (next() < 0.5) {
      const user = Math.floor(next() * USERS);
      const { json } = await this.#send('POST', '/orders', { user_external_id: `u${user}` });
      order = new Order(json.order_id, user);
      order.asked = 1;
      this.#acknowledge(order, json);
      this.#orders.push(order);
    } else {
      order = this.#newOrder(next);
    }
    while (order.asked < STATUSES.length && (!this.#stopped || order.asked === 0)) {
      const status = STATUSES[order.asked++];
      const isNew = order.asked === 1;
      const { json } = isNew
        ? await this.#send('POST', '/orders', { user_external_id: `u${order.user}`, order_id: order.id, status })
        : await this.#send('PATCH', `/orders/${order.id}`, { status });
      this.#acknowledge(order, json);
    }
  }

  /** Several orders to their ends, one batch a status. */
  async #batch(next) {
    const orders = Array.from({ length: 1 + Math.floor(next() ** 2 * BATCH) }, () => this.#newOrder(next));
    for (const status of STATUSES) {
      const lines = orders.map(({ id, user }) => ({ order_id: id, user_external_id: `u${user}`, status }));
      for (const order of orders) order.asked++;
      const { text } = await this.#send('POST', '/orders/batch', lines.map((line) => JSON.stringify(line)).join('\n'), {
        'content-type': 'application/x-ndjson',
      });
      const answers = text.trimEnd().split('\n').map((line) => JSON.parse(line));
      assert.equal(answers.length, orders.length);
      orders.forEach((order, i) => this.#acknowledge(order, answers[i]));
      if (this.#stopped) break;
    }
  }

  async #write(next) {
    while (!this.#stopped) {
      if (next() < 0.8) await this.#walk(next);
      else await this.#batch(next);
      if (this.pace) await new Promise((resolve) => setTimeout(resolve, next() * this.pace));
    }
  }

  /** Get order, sometimes held: never less than was acknowledged or seen before it was asked, never more than asked. */
  async look(order, wait = false) {
    const least = Math.max(order.acked, order.seen, this.#streams[order.user].rank(order.id));
    const options = wait ? { headers: { 'if-none-match': `"${least}"` }, query: '?wait=1' } : {};
    await this.server.up;
    const answer = await this.project.getOrder(order.id, this.tokens[order.user], options).catch(() => null);
    if (!answer || answer.status === 503) return false;
    this.polls++;
    if (answer.status === 404 || answer.status === 304) {
      assert.equal(answer.status === 304 ? least : 0, least, `order ${order.id} was told of up to ${least}`);
      return true;
    }
    assert.equal(answer.status, 200, answer.text);
    const seq = STATUSES.indexOf(answer.json.status) + 1;
    assert.ok(seq >= least && seq <= order.asked, `order ${order.id} is ${answer.json.status} after ${least} events`);
    order.seen = Math.max(order.seen, seq);
    return true;
  }

  async #poll(next) {
    while (!this.#stopped) {
      // Mostly the newest.
      const order = this.#orders[Math.floor((1 - next() ** 8) * this.#orders.length)];
      if (!order || !(await this.look(order, next() < 0.3))) await this.pause();
    }
  }

  /** `count` more events are acknowledged. */
  async busy(count) {
    const goal = this.acked + count;
    await this.guard(until(() => this.acked >= goal, `${count} acknowledged events`, SETTLE_MS));
  }

  /** All stop, and everything that was acknowledged has been seen on all channels, and nothing else. */
  async settle() {
    this.#stopped = true;
    for (const follower of this.followers) follower.cut();
    await this.guard(within(Promise.all(this.#running), 'everyone to stop', SETTLE_MS));
    for (const order of this.#orders) assert.equal(order.acked, order.asked);
    await this.#checkStreams();
    await this.#checkWebhooks();
    const recent = this.#orders.slice(this.settled ?? 0);
    this.settled = this.#orders.length;
    for (let i = 0; i < recent.length; i += 16)
      await Promise.all(recent.slice(i, i + 16).map((order) => this.look(order)));
  }

  async #checkStreams() {
    const totals = Array(USERS).fill(0);
    for (const order of this.#orders) totals[order.user] += order.acked;
    await this.guard(Promise.all(this.followers.map((follower, i) => follower.finish(totals[i % USERS]))));
    for (const order of this.#orders)
      assert.equal(this.#streams[order.user].rank(order.id), order.acked, `order ${order.id} in its stream`);
  }

  async #checkWebhooks() {
    const allCame = () => this.ledger.events >= this.acked || this.receiver.faults.length > 0;
    await this.guard(until(allCame, 'all webhooks', SETTLE_MS)).catch((error) => {
      throw new Error(`${error.message}; ${this.ledger.events} of ${this.acked} came`);
    });
    this.receiver.check();
    for (const order of this.#orders) assert.equal(this.ledger.reached(order.id), order.acked, `webhooks of ${order.id}`);
    assert.equal(this.ledger.events, this.acked);
    const noneWaits = async () => (await this.project.read('/deliveries?state=waiting&limit=1')).deliveries.length === 0;
    await this.guard(until(noneWaits, 'nothing to be waiting', SETTLE_MS));
  }

  /** Followers that have seen nothing yet read each stream whole: what is stored is what was told. */
  async readAll() {
    for (let u = 0; u < USERS; u++)
      await this.#follower(u, () => 1).finish(this.#streams[u].events.length);
  }

  figures() {
    const sum = (field) => this.followers.reduce((total, one) => total + one[field], 0);
    return (
      `${this.acked} events acknowledged; ${this.repeated} requests repeated, ${this.replayed} of them had been done; ` +
      `${sum('connects')} connects, ${sum('recoveries')} recovered, ${sum('pushed')} pushes; ${this.polls} polls; ` +
      `${this.ledger.events} webhooks, ${this.ledger.twice} came twice`
    );
  }

  async destroy() {
    this.#stopped = true;
    for (const follower of this.followers ?? []) follower.cut();
  }
}
