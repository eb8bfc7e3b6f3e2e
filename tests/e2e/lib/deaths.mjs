// SPDX-License-Identifier: Apache-2.0
// The server dies again and again, at moments of a random generator's choice and at the fault points, while a shop
// is in full swing: what was acknowledged is there after the restart and was seen on all channels, once and in order.
import { random, seed } from './events.mjs';
import { Shop } from './shop.mjs';

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
async function oneLife(server, shop, next, environment) {
  const point = POINTS[Math.floor(next() * POINTS.length * 2)];
  if (point) {
    await server.start({ ...environment, ORDERWIRE_FAULT: `${point}:${1 + Math.floor(next() ** 2 * 200)}` });
    await shop.guard(server.died(point));
  } else {
    await server.start(environment);
    await shop.busy(1 + Math.floor(next() ** 2 * 400));
    await spin(next() * 8);
    await server.kill();
  }
  await shop.guard(shop.receiver.nextLife());
  return point ?? 'a random moment';
}

/** `rounds` deaths, each followed by `died(next)`. The causes so far are counted in `causes`. The shop. */
async function lives(server, t, causes, { rounds, environment, died }) {
  const next = random(seed);
  const shop = await Shop.open(server, seed);
  await server.kill();
  shop.start();
  for (let round = 1; round <= rounds; round++) {
    const cause = await oneLife(server, shop, next, environment);
    causes.set(cause, (causes.get(cause) ?? 0) + 1);
    died(next);
    if (round % ROUNDS_TO_SETTLE > 0 && round < rounds) continue;
    await server.start(environment);
    await shop.settle();
    if (round % 50 === 0) t.diagnostic(`round ${round}: ${shop.figures()}`);
    if (round === rounds) break;
    await server.kill();
    await shop.receiver.nextLife();
    shop.start();
  }
  await shop.readAll();
  return shop;
}

/** The same, told of. */
export async function deaths(server, t, { rounds, environment = {}, died = () => {} }) {
  t.diagnostic(`ORDERWIRE_SEED=${seed} ORDERWIRE_ROUNDS=${rounds}`);
  const causes = new Map();
  try {
    const shop = await lives(server, t, causes, { rounds, environment, died });
    t.diagnostic(`${rounds} deaths, none lost: ${[...causes].map(([cause, count]) => `${count} at ${cause}`).join(', ')}`);
    t.diagnostic(shop.figures());
    return shop;
  } catch (error) {
    error.message += ` (ORDERWIRE_SEED=${seed}, died of ${[...causes.keys()].at(-1)})`;
    throw error;
  }
}
