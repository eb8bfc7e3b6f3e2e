// SPDX-License-Identifier: Apache-2.0
// What the suites of webhooks share: signatures made here and verified by others, settings, contents.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';

/** For tests whose failures are meant: they do not make an endpoint rest. */
export const PATIENT = { 'webhooks.breaker_after': 1_000_000 };

/** LIMIT_WEBHOOK_CONCURRENCY: so many of one endpoint's answers may wait to be recorded, beside what is in flight. */
export const UNRECORDED = 100;

export const CONTENT = {
  price: { amount: '9.99', amount_without_discount: '12.50', currency: 'USD' },
  virtual_price: null,
  is_free: false,
  items: [
    { sku: 'sword', quantity: 2, is_free: false, price: { amount: '4.995', amount_without_discount: '6.25', currency: 'USD' } },
    { sku: 'Schild für €', quantity: 1, is_free: true, price: null, custom_attributes: { purchased: 0, attr: 'value' } },
  ],
};

/** An error's answer, and what its sentence says. */
export function assertError(answer, status, sentence) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.json.statusCode, status);
  if (sentence) assert.match(answer.json.errorMessage, sentence);
}

/** The packages of others that verify. */
export const VERIFIERS = [StandardWebhook, SvixWebhook];

/** Both of the packages accept it, and neither accepts anything else. */
export function verifyStandard(received, secret) {
  for (const Verifier of VERIFIERS) {
    const verifier = new Verifier(secret);
    assert.deepEqual(verifier.verify(received.body, received.headers), received.json);
    const other = Buffer.from(received.body);
    other[other.length - 3] ^= 1;
    assert.throws(() => verifier.verify(other, received.headers), /signature/i);
    assert.throws(() => verifier.verify(received.body, { ...received.headers, 'webhook-id': 'msg_1' }), /signature/i);
  }
}

/** Neither of them accepts it with this secret. */
export function refuseStandard(received, secret) {
  for (const Verifier of VERIFIERS)
    assert.throws(() => new Verifier(secret).verify(received.body, received.headers), /signature/i);
}

/** The signatures of the `standard` preset, made by node's own cryptography. */
export function signStandard(received, secret) {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const hmac = createHmac('sha256', key).update(`${received.id}.${received.headers['webhook-timestamp']}.`);
  return `v1,${hmac.update(received.body).digest('base64')}`;
}

/** The Authorization of the `xsolla` preset. */
export function signXsolla(received, secret) {
  return `Signature ${createHash('sha1').update(received.body).update(secret).digest('hex')}`;
}

/**
 * What one endpoint of the `standard` preset received, webhook by webhook: signed, each order's events in their
 * order, one id and one body for each event. What comes again after a good answer was cut off by the server's
 * end between sending and recording.
 */
export class Ledger {
  /** Events that have come, and how many came again after a good answer. */
  events = 0;
  twice = 0;
  #ids = new Set();
  #last = new Map();

  constructor(secret) {
    this.secret = secret;
  }

  /** The last event of an order that has come. */
  reached(orderId) {
    return this.#last.get(orderId)?.seq ?? 0;
  }

  take(received) {
    const { id, orderId, seq } = received;
    const last = this.#last.get(orderId);
    if (last?.id === id) this.#takeAgain(received, last);
    else {
      assert.equal(seq, this.reached(orderId) + 1, `order ${orderId}: event ${seq} came after ${this.reached(orderId)}`);
      assert.ok(!this.#ids.has(id), `${id} came for two events`);
      this.#ids.add(id);
      this.events++;
    }
    assert.equal(received.headers['webhook-signature'], signStandard(received, this.secret));
    // The answer is not known yet.
    this.#last.set(orderId, received);
  }

  #takeAgain(received, last) {
    assert.equal(received.seq, last.seq, `${last.id} came for two events`);
    assert.ok(received.body.equals(last.body), `${last.id} came with another body`);
    if (last.answer !== 200) return;
    this.twice++;
    assert.notEqual(received.life, last.life, `${last.id} came twice while the server lived`);
  }
}
