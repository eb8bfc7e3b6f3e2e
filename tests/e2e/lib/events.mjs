// SPDX-License-Identifier: Apache-2.0
// Waiting for what should happen, always with a deadline and never for a fixed time.

/** Sanitizers ask for smaller numbers and more patience. */
export const short = Boolean(process.env.ORDERWIRE_SHORT);

const PATIENCE_MS = short ? 40_000 : 15_000;

/** `promise`, or an error that names `what` did not come. */
export async function within(promise, what, ms = PATIENCE_MS) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** The first true value of `check`, asked again and again: for what nobody announces. */
export async function until(check, what, ms = PATIENCE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The next event of an EventEmitter whose first argument `matches`. */
export function event(emitter, name, { what = name, matches = () => true, ms } = {}) {
  let listener;
  const promise = new Promise((resolve) => {
    listener = (argument) => matches(argument) && resolve(argument);
    emitter.on(name, listener);
  });
  return within(promise, what, ms).finally(() => emitter.removeListener(name, listener));
}

/** A promise and its resolve and reject. */
export function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  result.promise.catch(() => {});
  return result;
}

/** What has come in and was not taken yet, in order. */
export class Inbox {
  #items = [];
  #waiting = null;
  #end = null;

  push(item) {
    this.#items.push(item);
    this.#waiting?.resolve();
  }

  /** Nothing more will come; who waits gets `error`. */
  end(error) {
    this.#end ??= error;
    this.#waiting?.resolve();
  }

  get size() {
    return this.#items.length;
  }

  /** The oldest item. */
  async next(what = 'a message', ms = PATIENCE_MS) {
    const end = Date.now() + ms;
    while (this.#items.length === 0) {
      if (this.#end) throw new Error(`while waiting for ${what}: ${this.#end.message}`);
      this.#waiting = deferred();
      await within(this.#waiting.promise, what, Math.max(1, end - Date.now()));
    }
    return this.#items.shift();
  }

  /** The oldest item that `matches`; what is before it is dropped. */
  async find(matches, what, ms = PATIENCE_MS) {
    const end = Date.now() + ms;
    for (;;) {
      const item = await this.next(what, Math.max(1, end - Date.now()));
      if (matches(item)) return item;
    }
  }

  /** All that is there. */
  drain() {
    return this.#items.splice(0);
  }
}

/** Numbers in [0, 1) that a seed brings back. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The seed of this run's random generators: ORDERWIRE_SEED, or another one each time. */
export const seed = Number(process.env.ORDERWIRE_SEED || Math.floor(Math.random() * 2 ** 31));
