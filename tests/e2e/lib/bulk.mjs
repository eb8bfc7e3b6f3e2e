// SPDX-License-Identifier: Apache-2.0
// Orders with long contents, which fill the database's log. Of each it knows what may be there: what was acknowledged
// last, or tried since.
import assert from 'node:assert/strict';
import { until } from './events.mjs';
import { Follower } from './follower.mjs';

export class Bulk {
  #orders = [];
  #at = 0;
  #batches = 0;

  /** After `most` orders the first ones get new contents. */
  constructor(project, most = Infinity) {
    Object.assign(this, { project, most });
  }

  /** False when it is refused or cut off. */
  async #send(orders) {
    const lines = orders.map((order) => JSON.stringify({ user_external_id: 'u', ...order })).join('\n');
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = await this.project.request('POST', '/orders/batch', lines, headers).catch(() => null);
    if (!answer || answer.status === 503) return false;
    assert.equal(answer.status, 200, answer.text);
    return true;
  }

  #next() {
    const index = this.#at++ % this.most;
    return (this.#orders[index] ??= { id: index + 1, texts: [undefined] });
  }

  /** Writes orders, which take about 500 pages; false when that is refused or cut off. */
  async write(count = 60, length = 30_000) {
    const orders = Array.from({ length: count }, () => this.#next());
    for (const { texts } of orders) texts.push(`${Math.random()}`.padEnd(length, 'text'));
    const contents = orders.map(({ id, texts }) => ({ order_id: id, content: { text: texts.at(-1) } }));
    const isDone = await this.#send(contents);
    if (isDone) for (const order of orders) order.texts = order.texts.slice(-1);
    return isDone;
  }

  /** Changes them all; false when it is refused. */
  change(status) {
    return this.#send(this.#orders.map(({ id }) => ({ order_id: id, status })));
  }

  /** Writes until stop(). */
  run(pause) {
    this.running = (async () => {
      do {
        if (await this.write()) this.#batches++;
        else await pause();
      } while (this.running);
    })();
    return this.running;
  }

  /** So many batches more. */
  written(count) {
    const goal = this.#batches + count;
    return until(() => this.#batches >= goal, `${count} batches`, 60_000);
  }

  stop() {
    const { running } = this;
    this.running = null;
    return running;
  }

  async fill(batches) {
    for (let i = 0; i < batches; i++) assert.ok(await this.write());
  }

  /** The number of its publications. */
  async #look({ id, texts }) {
    const { status, json } = await this.project.request('GET', `/orders/${id}`);
    assert.ok(status === 200 || status === 404);
    assert.ok(texts.includes(json.content?.text), `order ${id}`);
    if (status === 404) return 0;
    assert.equal(json.events.length, json.seq, `order ${id}`);
    return new Set(json.events.map((event) => event.status)).size;
  }

  /** All that was acknowledged is there as it was written, and what is there is of one moment. */
  async check() {
    const { project } = this;
    let publications = 0;
    for (let i = 0; i < this.#orders.length; i += 16) {
      const counts = await Promise.all(this.#orders.slice(i, i + 16).map((order) => this.#look(order)));
      for (const count of counts) publications += count;
    }
    const data = { auth: project.token('u'), project_id: project.id };
    await new Follower(project.server, { data, next: () => 1, taken() {} }).finish(publications);
  }
}
