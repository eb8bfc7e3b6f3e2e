// SPDX-License-Identifier: Apache-2.0
// What the order trackers of the five store SDKs have in common: one connection for all orders of a player, each
// order's statuses, and polling once the connection cannot be trusted. Whatever a tracker would silently drop or crash
// on is an error. Pauses are shorter than theirs.
import assert from 'node:assert/strict';
import { call } from './api.mjs';
import { deferred, until, within } from './events.mjs';

const POLL_MS = 30;
const INT32_MAX = 2 ** 31 - 1;

export class Tracker {
  statuses = [];
  polling = false;
  #result = deferred();

  /**
   * `auth` goes into the connect frame, `token` (the same by default) into Get order. The socket goes to `gate`, by
   * default the server itself.
   */
  constructor(server, { project, orderId, auth, token = auth, gate = server, ...options }) {
    Object.assign(this, { server, project, orderId, auth, token, gate, ...options });
    this.host = this;
    this.orders = [this];
  }

  /** Another order on the same connection. */
  also(orderId, token = this.token) {
    const { server, project, auth } = this;
    const other = new this.constructor(server, { project, orderId, auth, token });
    other.host = this.host;
    this.host.orders.push(other);
    return other;
  }

  /** `check` comes true. */
  until(check, what) {
    return until(() => {
      if (this.host.failure) throw this.host.failure;
      return check();
    }, what);
  }

  sees(status) {
    return this.until(() => this.statuses.includes(status), `the status ${status} of order ${this.orderId}`);
  }

  /** {outcome, via, …}: what the game is told. */
  result(what = `the end of order ${this.orderId}`) {
    return within(this.#result.promise, what);
  }

  /** Everything that waits fails. */
  fail(error) {
    this.failure ??= error;
    for (const order of this.orders) order.#result.reject(error);
  }

  finish(result) {
    this.isOver = true;
    this.#result.resolve({ via: this.polling ? 'polling' : 'socket', ...result });
    const { host } = this;
    host.orders = host.orders.filter((order) => order !== this);
    if (host.orders.length === 0) host.disconnect();
  }

  /** A publication's data; true when no order is left. */
  takeData({ order_id, status }, offset = 0) {
    for (const number of [order_id, offset])
      assert.ok(Number.isInteger(number) && number >= 0 && number <= INT32_MAX, 'it fits an int32');
    assert.match(status, /^(new|paid|done|canceled)$/);
    for (const order of this.orders.filter((one) => one.orderId === order_id)) {
      order.statuses.push(status);
      order.takeStatus(status);
    }
    return this.orders.length === 0;
  }

  /** All orders go over to polling. */
  pollAll() {
    for (const order of this.orders) {
      order.polling = true;
      order.poll().catch((error) => this.fail(error));
    }
  }

  async get() {
    return call(
      `${this.server.url}/api/v2/project/${this.project.id}/order/${this.orderId}${this.query}`,
      { headers: { authorization: `Bearer ${this.token}`, ...this.sdkHeaders } },
    );
  }

  async pause() {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
