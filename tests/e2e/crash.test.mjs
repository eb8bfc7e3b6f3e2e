// SPDX-License-Identifier: Apache-2.0
// kill -9 again and again while a shop is in full swing (lib/deaths.mjs).
// ORDERWIRE_ROUNDS says how often; ORDERWIRE_SEED repeats what everyone does, not how threads take turns.
import assert from 'node:assert/strict';
import { deaths } from './lib/deaths.mjs';
import { short } from './lib/events.mjs';
import { serverTest } from './lib/server.mjs';
import { CONCURRENCY, SETTINGS } from './lib/shop.mjs';
import { UNRECORDED } from './lib/webhooks.mjs';

const ROUNDS = Number(process.env.ORDERWIRE_ROUNDS || (short ? 5 : 20));

serverTest('kill -9 loses nothing acknowledged, on any channel', SETTINGS, async (server, t) => {
  const shop = await deaths(server, t, { rounds: ROUNDS });
  assert.ok(shop.ledger.twice <= ROUNDS * (CONCURRENCY + UNRECORDED), 'no more came twice than waited to be recorded');
});
