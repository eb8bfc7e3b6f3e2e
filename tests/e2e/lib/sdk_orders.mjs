// SPDX-License-Identifier: Apache-2.0
// Get order as each store SDK reads it, with the rules of its JSON library.
import assert from 'node:assert/strict';

const isInt32 = (value) => Number.isInteger(value) && Math.abs(value) < 2 ** 31;
const optional = (value, check) => value === undefined || value === null || check(value);
const isText = (value) => typeof value === 'string';

function need(condition, what) {
  assert.ok(condition, what);
}

/** TypeScript: an `error` object first, then `errorMessage` with its numbers. */
export function decodeCocosError(json) {
  assert.equal(json.error, undefined);
  need(isText(json.errorMessage), 'errorMessage is text');
  return { statusCode: json.statusCode, errorCode: json.errorCode, errorMessage: json.errorMessage };
}

/**
 * C#: a body is an error when it holds the three words anywhere, or the three of the other form;
 * the class of the error is the statusCode of the body.
 */
export function decodeUnity(text) {
  const holds = (...words) => words.every((word) => text.includes(word));
  need(!holds('error', 'code', 'description'), 'no error of the login service');
  const json = JSON.parse(text);
  if (holds('statusCode', 'errorCode', 'errorMessage')) {
    const kind = { 401: 'InvalidToken', 403: 'InvalidToken', 404: 'OrderNotFound' }[json.statusCode];
    return { error: { kind: kind ?? 'UnknownError', ...decodeCocosError(json) } };
  }
  need(isInt32(json.order_id) && json.order_id > 0, 'order_id is an int above 0');
  need(isText(json.status), 'status is text');
  return { order: json };
}

/** C++: fields that are missing take defaults, but an error's numbers must be numbers. */
export function decodeUnreal(status, text) {
  const json = JSON.parse(text);
  need(json !== null && typeof json === 'object' && !Array.isArray(json), 'the body is an object');
  if (status < 200 || status > 206) {
    assert.equal(json.error, undefined);
    need(isInt32(json.statusCode) && isInt32(json.errorCode) && isText(json.errorMessage), 'an error');
    return { error: { statusCode: json.statusCode, errorCode: json.errorCode, errorMessage: json.errorMessage } };
  }
  need(isInt32(json.order_id), 'order_id is an int32');
  for (const item of json.content.items) need(isInt32(item.quantity), 'quantity is an int32');
  return { order: json };
}

/** Kotlin with Gson: an unknown status is null and fails. */
export function decodeAndroid(text) {
  const json = JSON.parse(text);
  need(isInt32(json.order_id), 'order_id is an Int');
  need(['new', 'paid', 'done', 'canceled'].includes(json.status), 'the status is one of the enum');
  need(typeof json.content.is_free === 'boolean', 'is_free is a Boolean');
  need(optional(json.content.virtual_price, (price) => Number.isInteger(Number(price.amount))), 'amount is a Long');
  for (const item of json.content.items) {
    need(Number.isInteger(item.quantity), 'quantity is a Long');
    need(typeof item.is_free === 'boolean', 'is_free is a Boolean');
  }
  return json;
}

/** Swift's Codable: one wrong field and the whole order cannot be read. */
export function decodeIos(text) {
  const json = JSON.parse(text);
  const price = (value) =>
    ['amount', 'amount_without_discount'].every((name) =>
      optional(value[name], (amount) => typeof amount === 'number' || /^\d+(\.\d+)?$/.test(amount)),
    ) && optional(value.currency, isText);
  need(Number.isInteger(json.order_id), 'order_id is an Int');
  need(optional(json.status, isText), 'status is a String?');
  if (json.content === undefined || json.content === null) return json;
  const { content } = json;
  need(typeof content.is_free === 'boolean', 'is_free is a Bool');
  need(optional(content.price, price), 'price is a Price?');
  need(
    optional(
      content.virtual_price,
      (value) =>
        isText(value.sku) &&
        typeof value.is_default === 'boolean' &&
        isText(value.name) &&
        isText(value.type) &&
        Number.isInteger(value.amount),
    ),
    'virtual_price is a VirtualPrice?',
  );
  for (const item of content.items ?? []) {
    need(optional(item.sku, isText), 'sku is a String?');
    need(Number.isInteger(item.quantity), 'quantity is an Int');
    need(typeof item.is_free === 'boolean', 'is_free is a Bool');
    need(optional(item.price, price), 'the price of an item is a Price?');
  }
  return json;
}

/** Swift: the three fields of an error, strictly. */
export function decodeIosError(text) {
  const json = JSON.parse(text);
  need(Number.isInteger(json.errorCode) && Number.isInteger(json.statusCode) && isText(json.errorMessage), 'an error');
  return json;
}
