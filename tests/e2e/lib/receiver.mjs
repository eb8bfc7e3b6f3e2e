// SPDX-License-Identifier: Apache-2.0
// A merchant's server that receives webhooks: it keeps everything that came, and answers by a script.
// Two webhooks of one order at a time, which must never be, it remembers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { until, within } from './events.mjs';

/** One webhook that came in whole. */
class Received {
  constructor(request, body, receiver) {
    this.at = performance.now();
    this.method = request.method;
    this.path = request.url;
    this.httpVersion = request.httpVersion;
    this.headers = request.headers;
    this.rawHeaders = request.rawHeaders;
    this.socket = request.socket;
    this.body = body;
    this.life = receiver.life;
    this.id = request.headers['webhook-id'];
    this.json = JSON.parse(body);
    const { data, order, type, notification_type: notification } = this.json;
    this.type = type ?? notification;
    this.orderId = data?.order_id ?? order?.id;
    this.seq = data?.seq;
    this.status = data?.status ?? order?.status;
  }
}

/**
 * The script's answer to a webhook, or an array of them of which the last stays:
 *   { status, headers, body, delay }      as HTTP wants it, after `delay` ms
 *   { raw: async (socket, received) }     as the script wants it
 *   a function of what was received, which returns one of these
 */
export class Receiver {
  /** What came in whole, in the order it came; nothing when `keep` is false. */
  all = [];
  /** What must not happen and has. */
  faults = [];
  connections = 0;
  atOnce = 0;
  atOnceMax = 0;
  /** Which of the server's lives it is; each webhook remembers it. */
  life = 0;
  #listening = new Set();
  #orders = new Map();
  #sockets = new Set();
  #script;

  static async open(server, { script = {}, host = '127.0.0.1', port = 0, tls, keep = true } = {}) {
    const receiver = server.own(new Receiver());
    receiver.script = script;
    receiver.keep = keep;
    const options = { keepAliveTimeout: 60_000, requestTimeout: 0 };
    const listener = tls ? https.createServer({ ...options, ...tls }) : http.createServer(options);
    receiver.listener = listener;
    listener.on('request', (request, response) => receiver.#take(request, response));
    listener.on('connection', (socket) => {
      receiver.connections++;
      receiver.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => receiver.#sockets.delete(socket));
    });
    listener.on('clientError', (error, socket) => socket.destroy());
    listener.listen(port, host);
    await once(listener, 'listening');
    receiver.port = listener.address().port;
    const name = host.includes(':') ? `[${host}]` : host;
    receiver.origin = `${tls ? 'https' : 'http'}://${name}:${receiver.port}`;
    receiver.url = `${receiver.origin}/hook`;
    return receiver;
  }

  set script(script) {
    this.#script = Array.isArray(script) ? [...script] : [script];
  }

  /** Calls `seen` for each webhook from now on; returns what ends that. */
  listen(seen) {
    this.#listening.add(seen);
    return () => this.#listening.delete(seen);
  }

  #take(request, response) {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      try {
        const received = new Received(request, Buffer.concat(chunks), this);
        this.#begin(received);
        this.#answer(received, response).catch((error) => {
          this.#end(received);
          this.faults.push(error);
        });
      } catch (error) {
        this.faults.push(error);
        response.destroy();
      }
    });
  }

  /** From here until `#end` the webhook is the receiver's. */
  #begin(received) {
    const { orderId } = received;
    if (this.keep) this.all.push(received);
    this.atOnceMax = Math.max(this.atOnceMax, ++this.atOnce);
    if (orderId !== undefined) {
      // One whose sender was killed does not count.
      const other = this.#orders.get(orderId);
      if (other && other.life === this.life && !other.socket.destroyed)
        this.faults.push(new Error(`order ${orderId}: ${received.id} came while ${other.id} was not answered`));
      this.#orders.set(orderId, received);
    }
    for (const seen of this.#listening) seen(received);
  }

  #end(received) {
    received.answeredAt = performance.now();
    this.atOnce--;
    if (this.#orders.get(received.orderId) === received) this.#orders.delete(received.orderId);
  }

  async #answer(received, response) {
    let answer = this.#script.length > 1 ? this.#script.shift() : this.#script[0];
    if (typeof answer === 'function') answer = await answer(received);
    const { status = 200, headers = {}, body = '', delay = 0, raw } = answer ?? {};
    received.answer = status;
    if (raw) {
      await raw(received.socket, received).catch(() => {});
      this.#end(received);
      return;
    }
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    this.#end(received);
    const bytes = Buffer.from(body);
    response.writeHead(status, { ...(status !== 204 && { 'content-length': bytes.length }), ...headers });
    response.end(status === 204 ? undefined : bytes);
  }

  /** The first webhook that `matches`, or the first that comes. */
  async find(matches, what = 'a webhook', ms) {
    const found = this.all.find(matches);
    if (found) return found;
    let stop;
    const coming = new Promise((resolve) => {
      stop = this.listen((received) => matches(received) && resolve(received));
    });
    return within(coming, what, ms).finally(stop);
  }

  /** As many webhooks as `count`, all of them that `matches`. */
  async count(count, what = `${count} webhooks`, { matches = () => true, ms } = {}) {
    const found = this.all.filter(matches);
    if (found.length < count) {
      let stop;
      const coming = new Promise((resolve) => {
        stop = this.listen((received) => {
          if (!matches(received)) return;
          found.push(received);
          if (found.length >= count) resolve();
        });
      });
      await within(coming, what, ms)
        .catch((error) => {
          throw new Error(`${error.message}; ${found.length} came`);
        })
        .finally(stop);
    }
    return found;
  }

  ofOrder(orderId) {
    return this.all.filter((received) => received.orderId === orderId);
  }

  /** The server is dead: what it sent before that and is not read yet belongs to its old life. */
  async nextLife() {
    // Connections are accepted in their order, so that none of the server's is behind this one.
    const last = net.connect(this.port, this.listener.address().address);
    const port = await once(last, 'connect').then(() => last.localPort);
    while (![...this.#sockets].some((socket) => socket.remotePort === port)) await new Promise(setImmediate);
    last.destroy();
    await until(() => this.#sockets.size === 0, 'the connections of a dead server to end');
    this.life++;
  }

  /** Nothing happened that must not. */
  check() {
    assert.deepEqual(this.faults.map((error) => error.message), []);
  }

  /** All connections end without a word. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close() {
    const closed = new Promise((resolve) => this.listener.close(resolve));
    this.cut();
    await closed;
  }
}
