// SPDX-License-Identifier: Apache-2.0
// The power goes, on a disk with faults (lib/disk.mjs): nothing that was acknowledged is lost.
// ORDERWIRE_ROUNDS says how often the power goes, at moments as in crash.test.mjs; ORDERWIRE_SEED as there.
import { test } from 'node:test';
import { deaths } from './lib/deaths.mjs';
import { Disk, noDisk } from './lib/disk.mjs';
import { serverTest } from './lib/server.mjs';
import { SETTINGS } from './lib/shop.mjs';

const ROUNDS = Number(process.env.ORDERWIRE_ROUNDS || 10);

function diskTest(name, settings, body) {
  if (noDisk) test(name, { skip: noDisk });
  else serverTest(name, settings, async (server, t) => body(server, await Disk.under(server), t));
}

diskTest('power loss loses nothing acknowledged, on any channel', SETTINGS, async (server, disk, t) => {
  await deaths(server, t, {
    rounds: ROUNDS,
    environment: disk.environment,
    // Half of the times some of what was not synced is left.
    died: (next) => disk.losePower(next() < 0.5 ? next : undefined),
  });
});
