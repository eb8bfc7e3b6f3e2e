// SPDX-License-Identifier: Apache-2.0
// The order trackers of the Cocos, Unity and Unreal store SDKs: JSON by hand. Their frames byte for byte, what they
// read out of the server's, and what they do when the socket ends.
import assert from 'node:assert/strict';
import { call } from './api.mjs';
import { frame, OPCODE, RawWebSocket } from './raw.mjs';
import { decodeCocosError, decodeUnity, decodeUnreal } from './sdk_orders.mjs';
import { Tracker } from './tracker.mjs';

const INT32_MAX = 2 ** 31 - 1;

const randomId = (below) => Math.floor(Math.random() * below);

class JsonTracker extends Tracker {
  /** Opens the socket and sends the connect command; polls when there is no socket. */
  async start() {
    this.id = this.makeId();
    this.connectFrame = this.makeFrame();
    this.socket = await RawWebSocket.open(this.gate, { headers: this.headers, mayFail: true });
    const { status, headers } = this.socket.handshake;
    if (status === 101) {
      this.checkHandshake(headers);
      this.socket.send(this.connectFrame);
      this.#read().catch((error) => this.fail(error));
    } else {
      this.closed = { code: status };
      this.pollAll();
    }
    return this;
  }

  disconnect() {
    clearInterval(this.ticks);
    this.socket.destroy();
  }

  checkHandshake(headers) {
    assert.equal(headers['sec-websocket-protocol'], undefined);
    assert.equal(headers['sec-websocket-extensions'], undefined);
  }

  /** Sends `{}` unasked again and again, as Cocos and Unreal do every 25 s. */
  tick(ms) {
    this.unsolicited = 0;
    this.ticks = setInterval(() => {
      if (!this.socket.isOpen) return;
      this.socket.send('{}');
      this.unsolicited++;
    }, ms);
  }

  /** The system lets the game sleep. */
  freeze() {
    this.socket.tcp.pause();
  }

  thaw() {
    this.socket.tcp.resume();
  }

  get pings() {
    return this.socket.pings;
  }

  async #read() {
    for (;;) {
      let message;
      try {
        message = await this.socket.next('what comes for the tracker', 60_000);
      } catch (error) {
        if (this.socket.isOpen) throw error;
        break;
      }
      if (this.take(message)) return;
    }
    if (this.socket.violation) throw this.socket.violation;
    clearInterval(this.ticks);
    this.closed = await this.socket.closed();
    this.pollAll();
  }

  /** One message; true when no order is left. */
  take(message) {
    if (message.id !== undefined) {
      assert.equal(message.id, this.id);
      assert.ok(message.connect, JSON.stringify(message));
      this.reply = message.connect;
      return false;
    }
    assert.ok(message.push?.pub, `a push without pub ends a Cocos game: ${JSON.stringify(message)}`);
    return this.takeData(message.push.pub.data, message.push.pub.offset);
  }
}

/** TypeScript in a browser: CORS, an Origin, and an offer of compression. */
export class CocosTracker extends JsonTracker {
  headers = {
    Origin: 'https://game.example',
    'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
  };
  sdkHeaders = { origin: 'https://game.example' };
  query = '?engine=cocos&engine_v=3.8.0&sdk=commerce&sdk_v=0.7.1&build_platform=web-desktop';

  makeId() {
    return 1 + randomId(1e8 - 1);
  }

  makeFrame() {
    return `{"connect":{"data":{"auth":"${this.auth}","project_id":${this.project.id}}},"id":${this.id}}`;
  }

  takeStatus(status) {
    if (status === 'done') this.finish({ outcome: 'success' });
    if (status === 'canceled') this.finish({ outcome: 'error', message: 'Order canceled.' });
    return status === 'done' || status === 'canceled';
  }

  async poll() {
    await this.preflight();
    for (;;) {
      const { status, headers, json } = await this.get();
      this.checkAnswer(headers);
      if (status < 200 || status > 399) return this.finish({ outcome: 'error', ...decodeCocosError(json) });
      assert.equal(json.order_id, this.orderId);
      this.statuses.push(json.status);
      if (this.takeStatus(json.status)) return undefined;
      assert.match(json.status, /^(new|paid)$/, 'any other ends the tracker without a word');
      await this.pause();
    }
  }

  checkAnswer(headers) {
    assert.match(headers.get('access-control-allow-origin'), /^(\*|https:\/\/game\.example)$/);
  }

  async preflight() {
    const { status, headers } = await call(
      `${this.server.url}/api/v2/project/${this.project.id}/order/${this.orderId}${this.query}`,
      {
        method: 'OPTIONS',
        headers: {
          origin: 'https://game.example',
          'access-control-request-method': 'GET',
          'access-control-request-headers': 'authorization',
        },
      },
    );
    assert.ok(status === 200 || status === 204, `the preflight answers ${status}`);
    this.checkAnswer(headers);
    assert.match(headers.get('access-control-allow-headers'), /\bauthorization\b/i);
    assert.match(headers.get('access-control-allow-methods'), /\bGET\b/);
  }
}

/** C#: websocket-sharp, whose IsAlive is a Ping that wants its Pong. */
export class UnityTracker extends JsonTracker {
  headers = {};
  sdkHeaders = { 'x-engine': 'UNITY', 'x-engine-v': '2022.3', 'x-sdk': 'STORE', 'x-sdk-v': '3.1.1', 'x-build-platform': 'Win' };
  query = '?engine=unity&engine_v=2022.3&sdk=store&sdk_v=3.1.1&build_platform=Win';

  makeId() {
    return randomId(2) === 0 ? INT32_MAX : 1 + randomId(INT32_MAX - 1);
  }

  makeFrame() {
    return `{"connect":{"data":{"auth":"${this.auth}","project_id":${this.project.id}}},"id":${this.id}}`;
  }

  /** What IsAlive does. */
  async isAlive() {
    this.socket.write(frame('', { opcode: OPCODE.ping }));
    const payload = await this.socket.pongs.next('the Pong');
    assert.equal(payload.length, 0);
    return true;
  }

  takeStatus(status) {
    if (status === 'done') {
      this.fetchFull().then(
        (order) => this.finish({ outcome: 'success', order }),
        (error) => this.finish({ outcome: 'failed', error }),
      );
    }
    if (status === 'canceled') this.finish({ outcome: 'removed' });
    return status === 'done' || status === 'canceled';
  }

  /** After `done` it asks for the whole order. */
  async fetchFull() {
    const { text } = await this.get();
    return decodeUnity(text).order;
  }

  async poll() {
    for (;;) {
      await this.pause();
      const { order, error } = decodeUnity((await this.get()).text);
      if (error) return this.finish({ outcome: 'error', ...error });
      this.statuses.push(order.status);
      if (this.takeStatus(order.status)) return undefined;
    }
  }
}

/** C++: tabs in the JSON, a subprotocol that nobody knows, the payment token as `auth`. */
export class UnrealTracker extends JsonTracker {
  headers = { 'Sec-WebSocket-Protocol': 'wss' };
  sdkHeaders = { 'x-engine': 'UE5', 'x-engine-v': '5.4', 'x-sdk': 'STORE', 'x-sdk-v': '4.2.3', 'x-build-platform': 'Windows' };
  query = '?engine=ue5&engine_v=5.4&sdk=store&sdk_v=4.2.3&build_platform=windows';

  makeId() {
    return 1 + randomId(INT32_MAX);
  }

  makeFrame() {
    const t = '\t';
    return (
      `{${t}"connect":${t}{${t}${t}"data":${t}${t}{${t}${t}${t}"auth":"${this.auth}",` +
      `${t}${t}${t}"project_id":${this.project.id}${t}${t}}${t}},${t}"id":${this.id}}`
    );
  }

  takeStatus(status) {
    if (status === 'done') this.finish({ outcome: 'success' });
    if (status === 'canceled')
      this.finish(this.polling ? { outcome: 'error', message: 'Order canceled.' } : { outcome: 'stopped' });
    return status === 'done' || status === 'canceled';
  }

  async poll() {
    for (;;) {
      const answer = await this.get();
      const { order, error } = decodeUnreal(answer.status, answer.text);
      if (error) return this.finish({ outcome: 'error', ...error });
      this.statuses.push(order.status);
      if (this.takeStatus(order.status)) return undefined;
      assert.match(order.status, /^(new|paid)$/, 'any other ends the tracker without a word');
      await this.pause();
    }
  }
}
