// SPDX-License-Identifier: Apache-2.0
// kill -9 again and again, at moments of a random generator's choice and at the fault points, while a shop is in
// full swing: what was acknowledged is there after the restart and was seen on all channels, once and in order.
// ORDERWIRE_ROUNDS says how often; ORDERWIRE_SEED repeats what everyone does, not how threads take turns.
import assert from 'node:assert/strict';
import { random, seed, short } from './lib/events.mjs';
import { serverTest } from './lib/server.mjs';
import { CONCURRENCY, SETTINGS, Shop } from './lib/shop.mjs';
import { UNRECORDED } from './lib/webhooks.mjs';

const ROUNDS = Number(process.env.ORDERWIRE_ROUNDS || (short ? 5 : 20));
const ROUNDS_TO_SETTLE = 10;
const POINTS = [
  'writer_before_commit', 'writer_after_commit', 'writer_before_answer', 'webhook_after_send', 'webhook_before_record',
];

/** The moment is anywhere within what the next few requests take. */
async function spin(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end) await new Promise(setImmediate);
}

/** Starts the server and lets it die; what it died of. */
async function oneLife(server, shop, next) {
  const point = POINTS[Math.floor(next() * POINTS.length * 2)];
  if (point) {
    await server.start({ ORDERWIRE_FAULT: `${point}:${1 + Math.floor(next() ** 2 * 200)}` });
    await shop.guard(server.died(point));
  } else {
    await server.start();
    await shop.busy(1 + Math.floor(next() ** 2 * 400));
    await spin(next() * 8);
    await server.kill();
  }
  await shop.guard(shop.receiver.nextLife());
  return point ?? 'a random moment';
}

async function rounds(server, t, deaths) {
  const next = random(seed);
  const shop = await Shop.open(server, seed);
  await server.kill();
  shop.start();
  for (let round = 1; round <= ROUNDS; round++) {
    const cause = await oneLife(server, shop, next);
    deaths.set(cause, (deaths.get(cause) ?? 0) + 1);
    if (round % ROUNDS_TO_SETTLE > 0 && round < ROUNDS) continue;
    await server.start();
    await shop.settle();
    if (round % 50 === 0) t.diagnostic(`round ${round}: ${shop.figures()}`);
    if (round === ROUNDS) break;
    await server.kill();
    await shop.receiver.nextLife();
    shop.start();
  }
  await shop.readAll();
  return shop;
}

serverTest('kill -9 loses nothing acknowledged, on any channel', SETTINGS, async (server, t) => {
  t.diagnostic(`ORDERWIRE_SEED=${seed} ORDERWIRE_ROUNDS=${ROUNDS}`);
  const deaths = new Map();
  try {
    const shop = await rounds(server, t, deaths);
    t.diagnostic(`${ROUNDS} deaths, none lost: ${[...deaths].map(([cause, count]) => `${count} at ${cause}`).join(', ')}`);
    t.diagnostic(shop.figures());
    assert.ok(shop.ledger.twice <= ROUNDS * (CONCURRENCY + UNRECORDED), 'no more came twice than waited to be recorded');
  } catch (error) {
    error.message += ` (ORDERWIRE_SEED=${seed}, died of ${[...deaths.keys()].at(-1)})`;
    throw error;
  }
});
