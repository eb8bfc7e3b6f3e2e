// SPDX-License-Identifier: Apache-2.0
// The order trackers of the Android and iOS store SDKs: official Centrifuge libraries in Protobuf (centrifuge-java
// 0.2.5, SwiftCentrifuge below 0.8), written after them here with the bytes that they send, when they reconnect and
// when they report an error; and what the SDK makes of an error, which is polling for good.
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { decodeReplies } from './protobuf.mjs';
import { decodeAndroid, decodeIos } from './sdk_orders.mjs';
import { Tracker } from './tracker.mjs';

/** The libraries' own times in ms; reconnects are sooner here. */
const TIMES = { reply: 5000, silence: 10_000, backOff: 10, backOffMax: 400 };
const TOKEN_EXPIRED = 109;

const NOTHING = Buffer.alloc(0);

function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}

const number = (field, value) => (value ? Buffer.concat([varint(field << 3), varint(Number(value))]) : NOTHING);

function bytes(field, ...parts) {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return body.length > 0 ? Buffer.concat([varint((field << 3) | 2), varint(body.length), body]) : NOTHING;
}

/** A connect command, as Protobuf's generated code writes it. `positions` are [channel, {recover, epoch, offset}]. */
export function connectFrame(id, data, positions, name) {
  const subs = positions.map(([channel, { recover, epoch, offset }]) =>
    bytes(3, bytes(1, channel), bytes(2, number(3, recover), bytes(6, epoch), number(7, offset))),
  );
  const command = Buffer.concat([number(1, id), bytes(4, bytes(2, data), ...subs, bytes(4, name))]);
  return Buffer.concat([varint(command.length), command]);
}

const comesBack = (code) => code < 3500 || (code >= 4000 && code < 4500) || code >= 5000;

class MobileTracker extends Tracker {
  state = 'disconnected';
  /** What the server subscribed us to, by channel. */
  subs = new Map();
  connects = 0;
  pings = 0;
  closes = [];
  #id = 0;
  #attempts = 0;

  constructor(server, { times = {}, ...options }) {
    super(server, { ...options, times: { ...TIMES, ...times } });
    server.own(this);
  }

  destroy() {
    this.isOver = true;
    this.disconnect();
  }

  async start() {
    this.connect();
    return this;
  }

  /** The library's connect(). */
  connect() {
    this.state = 'connecting';
    this.#attempts = 0;
    this.#open();
  }

  /** The library's disconnect(): positions are kept. */
  disconnect() {
    this.#drop('disconnected');
  }

  #drop(state) {
    this.state = state;
    clearTimeout(this.retry);
    clearTimeout(this.replyTimer);
    clearTimeout(this.watchdog);
    clearInterval(this.ticks);
    const { ws } = this;
    this.ws = undefined;
    ws?.terminate();
  }

  #open() {
    const ws = new WebSocket(this.gate.websocketUrl, ['centrifuge-protobuf'], {
      perMessageDeflate: true,
      origin: this.sendsOrigin ? new URL(this.gate.websocketUrl).origin : undefined,
    });
    let broken;
    this.ws = ws;
    const mine = (body) => (...args) => {
      if (this.ws !== ws) return;
      try {
        body(...args);
      } catch (error) {
        this.fail(error);
      }
    };
    ws.on('open', mine(() => this.#sendConnect()));
    ws.on('message', mine((frame, isBinary) => this.#take(frame, isBinary)));
    ws.on('error', (error) => {
      if (error.code?.startsWith('WS_ERR')) this.fail(error);
      broken = error;
    });
    ws.on('close', mine((code, reason) => {
      if (code === 1006) this.#broke(broken);
      else this.#closed(code, reason.toString());
    }));
  }

  #sendConnect() {
    assert.equal(this.ws.protocol, 'centrifuge-protobuf');
    assert.equal(this.ws.extensions, '');
    this.id = ++this.#id;
    this.connectFrame = connectFrame(this.id, this.makeData(), this.positions(), this.library);
    this.ws.send(this.connectFrame);
    this.connects++;
    this.replyTimer = setTimeout(() => this.onError(), this.times.reply);
  }

  #take(frame, isBinary) {
    if (!isBinary) throw new Error('a text frame, which the SDK does not hear');
    for (const reply of decodeReplies(frame)) {
      if (Object.keys(reply).length === 0) this.#takePing();
      else if (reply.id) this.#takeReply(reply);
      else this.#takePush(reply.push);
    }
  }

  #takePing() {
    this.pings++;
    this.#watch();
    if (this.reply.pong) this.ws.send(Buffer.from([0]));
  }

  #watch() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.onSilence(), this.reply.ping * 1000 + this.times.silence);
  }

  #takeReply({ id, connect, error }) {
    assert.equal(id, this.id);
    clearTimeout(this.replyTimer);
    if (error) return this.onErrorReply(error);
    assert.ok(connect.client && connect.version && connect.ping > 0, JSON.stringify(connect));
    this.reply = connect;
    this.state = 'connected';
    this.#attempts = 0;
    this.#watch();
    for (const [channel, { recoverable = false, epoch = '', offset = 0, publications = [] }] of Object.entries(connect.subs)) {
      this.subs.set(channel, { recoverable, epoch, offset });
      for (const publication of publications) this.#publication(channel, publication);
    }
    return undefined;
  }

  #takePush({ channel, pub }) {
    assert.ok(pub, 'a publication');
    assert.ok(this.subs.has(channel), 'a publication on a channel that the connect reply did not name is dropped');
    this.#publication(channel, pub);
  }

  #publication(channel, { data, offset = 0 }) {
    if (offset > 0) this.subs.get(channel).offset = offset;
    if (this.takeData(JSON.parse(data.toString()), offset)) this.disconnect();
  }

  /** Another try, after a random time that grows. */
  reconnect() {
    const { backOff, backOffMax } = this.times;
    const most = Math.min(backOffMax, backOff * 2 ** this.#attempts++);
    this.#drop('connecting');
    this.retry = setTimeout(() => this.#open(), backOff + Math.random() * most);
  }

  /** The library's onError: the SDK polls from now on when the client is at work just then. */
  onError() {
    if (this.state === 'disconnected') return;
    this.#drop('disconnected');
    this.pollAll();
  }

  #closed(code, reason) {
    const isWaiting = this.state === 'connecting';
    clearTimeout(this.replyTimer);
    this.closed = { code, reason };
    this.closes.push(code);
    if (isWaiting) this.onEarlyClose(code);
    else if (comesBack(code)) this.reconnect();
    else this.#drop('disconnected');
  }

  #broke(error) {
    this.closes.push(error ? error.message : 'gone');
    this.onBroken(error);
  }

  takeStatus(status) {
    if (status === 'done') this.finish({ outcome: 'success' });
    if (status === 'canceled') this.finish({ outcome: 'canceled' });
  }

  /** Nothing will happen any more, and nobody knows. */
  get isStuck() {
    return this.state === 'disconnected' && !this.polling && !this.isOver;
  }

  /** Sends an empty command unasked again and again. */
  tick(ms) {
    this.unsolicited = 0;
    this.ticks = setInterval(() => {
      if (this.state !== 'connected') return;
      this.ws.send(Buffer.from([0]));
      this.unsolicited++;
    }, ms);
  }
}

/** Kotlin: centrifuge-java on OkHttp. */
export class AndroidTracker extends MobileTracker {
  library = 'java';
  sdkHeaders = { 'x-engine': 'ANDROID', 'x-engine-v': '14', 'x-sdk': 'STORE', 'x-sdk-v': '2.5.11' };
  query = '?engine=android&engine_v=14&sdk=store&sdk_v=2.5.11';

  /** Gson, which escapes for HTML. */
  makeData() {
    const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
    return JSON.stringify({ auth: String(this.auth), project_id: this.project.id }).replace(/[=<>&']/g, escape);
  }

  positions() {
    return [...this.subs].map(([channel, { recoverable, epoch, offset }]) => [
      channel,
      recoverable ? { recover: true, epoch, offset } : {},
    ]);
  }

  /** Missed pings cancel the socket, which is a failure. */
  onSilence() {
    this.onError();
  }

  onErrorReply() {
    this.onError();
  }

  onBroken() {
    this.onError();
  }

  /** Before the waiting command fails, a code that ends for good has ended the client. */
  onEarlyClose(code) {
    if (!comesBack(code)) this.disconnect();
    this.onError();
  }

  /** The system freezes the process, its timers too. */
  freeze() {
    clearTimeout(this.watchdog);
    this.ws.pause();
  }

  thaw() {
    this.ws.resume();
  }

  async poll() {
    while (!this.isOver) {
      let answer;
      try {
        answer = await this.get();
      } catch {
        await this.pause();
        continue;
      }
      if (answer.status < 200 || answer.status > 299) {
        this.finish({ outcome: 'error', ...answer.json });
        return;
      }
      const { status } = decodeAndroid(answer.text);
      this.statuses.push(status);
      this.takeStatus(status);
      if (!this.isOver) await this.pause();
    }
  }
}

/** Swift: SwiftCentrifuge on Starscream. */
export class IosTracker extends MobileTracker {
  library = 'swift';
  /** Starscream: the address that it calls. */
  sendsOrigin = true;
  sdkHeaders = { 'x-engine': 'IOS', 'x-engine-v': '17', 'x-sdk': 'STORE', 'x-sdk-v': '1.0.2' };
  query = '?engine=ios&engine_v=17&sdk=store&sdk_v=1.0.2';

  /** Foundation's pretty printing; it promises no order. */
  makeData() {
    const members = [`"auth" : "${this.auth}"`, `"project_id" : ${this.project.id}`];
    if (Math.random() < 0.5) members.reverse();
    return `{\n  ${members.join(',\n  ')}\n}`;
  }

  positions() {
    return [...this.subs].map(([channel, { recoverable, epoch, offset }]) => [
      channel,
      { recover: recoverable, epoch, offset },
    ]);
  }

  onSilence() {
    this.reconnect();
  }

  onErrorReply({ code, temporary }) {
    if (!temporary && code !== TOKEN_EXPIRED) this.disconnect();
    this.onError();
  }

  /** An end without a word is no error to Starscream; an attempt that fails is one. */
  onBroken(error) {
    if (error && this.state === 'connecting') this.onError();
    else this.reconnect();
  }

  onEarlyClose() {
    this.onError();
  }

  /** The app goes to the background, where the payment is made, and comes back. */
  freeze() {
    this.disconnect();
  }

  thaw() {
    if (this.orders.length > 0) this.connect();
  }

  /** Whatever goes wrong, it asks again. */
  async poll() {
    while (!this.isOver) {
      try {
        const { status, text } = await this.get();
        if (status === 200) {
          const order = decodeIos(text);
          this.statuses.push(order.status);
          this.takeStatus(order.status);
        }
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
      }
      if (!this.isOver) await this.pause();
    }
  }
}
