// SPDX-License-Identifier: Apache-2.0
// The trackers of store SDKs from before 2023, which follow one order on /sub/order/status. They differ in what they
// do when a socket has lived as long as they let it (300 s; here `life`) and when it ends before that.
import assert from 'node:assert/strict';
import { call } from './api.mjs';
import { deferred, until, within } from './events.mjs';
import { closePayload, frame, OPCODE, RawWebSocket } from './raw.mjs';

const POLL_MS = 30;
const FINISHED = 4001;
const TIMEOUT = 4002;
const BAD_RESPONSE = 4003;

class LegacyTracker {
  statuses = [];
  sockets = [];
  polling = false;
  #result = deferred();

  constructor(server, { project, orderId, token, life = 300_000 }) {
    Object.assign(this, { server, project, orderId, token, life });
  }

  async start() {
    const path = `/sub/order/status?order_id=${this.orderId}&project_id=${this.project.id}`;
    const socket = await RawWebSocket.open(this.server, { path, headers: this.headers });
    assert.equal(socket.handshake.headers['sec-websocket-protocol'], undefined);
    this.socket = socket;
    this.sockets.push(socket);
    const opened = Date.now();
    const timer = setTimeout(() => this.#attempt(this.outlived(socket)), this.life);
    this.#attempt(
      this.#read(socket).then(async () => {
        clearTimeout(timer);
        if (this.over || socket !== this.socket) return;
        this.closed = await socket.closed();
        await this.ended(Date.now() - opened >= this.life);
      }),
    );
    return this;
  }

  #attempt(promise) {
    promise.catch((error) => this.#result.reject(error));
  }

  async #read(socket) {
    for (;;) {
      let text;
      try {
        text = await socket.text('a status', 60_000);
      } catch (error) {
        if (socket.isOpen) throw error;
        return;
      }
      if (this.take(text)) return;
    }
  }

  /** One frame; true at the final status. */
  take(text) {
    const status = this.read(text);
    this.statuses.push(status);
    return this.finish(status);
  }

  read(text) {
    const { order_id, status, ...more } = JSON.parse(text);
    assert.equal(order_id, this.orderId, 'Unreal and Cocos do not look');
    assert.match(status, /^(new|paid|done|canceled)$/);
    assert.deepEqual(more, {});
    return status;
  }

  finish(status) {
    if (status !== 'done' && status !== 'canceled') return false;
    this.over = true;
    this.say(FINISHED);
    this.#result.resolve({ status, via: this.polling ? 'polling' : 'socket' });
    return true;
  }

  /** Closes the socket with a code, when it is this SDK's way. */
  say() {
    this.socket.destroy();
  }

  async poll() {
    this.polling = true;
    while (!this.over) {
      const { json } = await call(`${this.server.url}/api/v2/project/${this.project.id}/order/${this.orderId}`, {
        headers: { authorization: `Bearer ${this.token}` },
      });
      this.statuses.push(json.status);
      if (!this.finish(json.status)) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async recreate(socket) {
    const old = socket ?? this.socket;
    await this.start();
    old.destroy();
  }

  sees(status) {
    return until(() => this.statuses.includes(status), `the status ${status}`);
  }

  result() {
    return within(this.#result.promise, 'the end of the order');
  }
}

/** TypeScript: a new socket when the old one has lived long enough, polling when it ends by itself. */
export class LegacyCocosTracker extends LegacyTracker {
  headers = { Origin: 'https://game.example' };

  outlived(socket) {
    return this.recreate(socket);
  }

  ended() {
    return this.poll();
  }
}

/** C++: the same, with a subprotocol that nobody knows. */
export class LegacyUnrealTracker extends LegacyCocosTracker {
  headers = { 'Sec-WebSocket-Protocol': 'wss' };
}

/** C#: it looks at the age of a socket when that has ended. */
export class LegacyUnityTracker extends LegacyTracker {
  headers = {};

  async outlived() {}

  ended(isOld) {
    return isOld ? this.recreate() : this.poll();
  }
}

/** Kotlin: closes with a code of its own, and polls unless the order is finished. */
export class LegacyAndroidTracker extends LegacyTracker {
  headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };

  say(code) {
    if (this.socket.isOpen) this.socket.write(frame(closePayload(code), { opcode: OPCODE.close }));
  }

  read(text) {
    try {
      return super.read(text);
    } catch (error) {
      this.say(BAD_RESPONSE);
      throw error;
    }
  }

  async outlived() {
    this.say(TIMEOUT);
  }

  ended() {
    return this.poll();
  }
}
