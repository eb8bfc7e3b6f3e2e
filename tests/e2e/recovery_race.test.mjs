// SPDX-License-Identifier: Apache-2.0
// Updates stream in as fast as they are taken while clients come and go at moments of a random
// generator's choice. Whatever the timing: what a client was pushed, what it recovered and what it read
// from the history are together each event once, in order.
import assert from 'node:assert/strict';
import { Project } from './lib/api.mjs';
import { random, seed, short } from './lib/events.mjs';
import { Follower } from './lib/follower.mjs';
import { serverTest } from './lib/server.mjs';

const RUN_MS = short ? 5_000 : 9_000;
const CLIENTS = short ? 8 : 16;
const USERS = 4;
const STATUSES = ['new', 'paid', 'done'];

/** What stands at an offset of the stream of user `u`: the writer below makes it so. */
function expected(u, offset) {
  const index = offset - 1;
  const order = Math.floor(index / STATUSES.length);
  return { order_id: 1 + order * USERS + u, status: STATUSES[index % STATUSES.length] };
}

function follower(server, project, u, next) {
  return new Follower(server, {
    data: { auth: project.token(`u${u}`), project_id: project.id },
    next,
    taken: ({ data, offset }) => assert.deepEqual(data, expected(u, offset)),
    lost: (error) => {
      throw error;
    },
  });
}

serverTest(
  'clients that come and go while events stream in',
  { 'history.max_events': 1_000_000, 'log.level': 'info', 'realtime.latest_window': '0s' },
  async (server, t) => {
    t.diagnostic(`ORDERWIRE_SEED=${seed}`);
    const project = await Project.create(server);
    const next = random(seed);
    const end = Date.now() + RUN_MS;
    const stopped = () => Date.now() >= end;
    const clients = Array.from({ length: CLIENTS }, (_, i) => follower(server, project, i % USERS, random(seed + 1 + i)));

    let events = 0;
    const writer = (async () => {
      while (!stopped()) {
        const lines = [];
        const count = 1 + Math.floor(next() * 40);
        for (let i = 0; i < count; i++, events++)
          for (let u = 0; u < USERS; u++) lines.push({ ...expected(u, events + 1), user_external_id: `u${u}` });
        await project.batch(lines);
      }
    })();
    const bell = setTimeout(() => clients.forEach((client) => client.cut()), RUN_MS);
    try {
      await Promise.all([writer, ...clients.map((client) => client.run(stopped))]);
      clearTimeout(bell); // all may have stopped by the clock before it has rung
      await Promise.all(clients.map((client) => client.finish(events)));
    } catch (error) {
      error.message += ` (ORDERWIRE_SEED=${seed})`;
      throw error;
    } finally {
      clearTimeout(bell);
    }
    const sum = (field) => clients.reduce((total, client) => total + client[field], 0);
    t.diagnostic(
      `${events} events for each of ${USERS} users; ${sum('connects')} connects, ${sum('recoveries')} recovered, ` +
        `${sum('gaps')} pages of history, ${sum('pushed')} pushes`,
    );
    assert.ok(events > 100);
    assert.ok(sum('recoveries') > 0 && sum('gaps') > 0 && sum('pushed') > 0);
  },
);
