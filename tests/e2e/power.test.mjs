// SPDX-License-Identifier: Apache-2.0
// The power goes, and calls fail, on a disk with faults (lib/disk.mjs): nothing that was acknowledged is lost.
// A third of ORDERWIRE_ROUNDS is how often the power goes, at moments as in crash.test.mjs; ORDERWIRE_SEED as there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { call, Project } from './lib/api.mjs';
import { Bulk } from './lib/bulk.mjs';
import { deaths } from './lib/deaths.mjs';
import { Disk, noDisk } from './lib/disk.mjs';
import { random, seed, until } from './lib/events.mjs';
import { serverTest } from './lib/server.mjs';
import { SETTINGS, Shop } from './lib/shop.mjs';

const ROUNDS = Math.ceil(Number(process.env.ORDERWIRE_ROUNDS || 15) / 3);
const FAILURES = process.env.ORDERWIRE_ROUNDS ? 20 : 2;
const FEW = 100;
/** After so many the log is long enough for a checkpoint. */
const LOG_BATCHES = 9;
/** What may be wrong with a disk that can be read. */
const FAULTS = [
  { sync: 'a' }, { sync: 'w' }, { sync: 'd' }, { write: 'a' }, { write: 'w' }, { write: 'd' }, { short: 'a' },
];
/** Nothing commits but requests. */
const QUIET = { 'prune.interval': '1h', 'history.max_events': 1_000_000, 'log.level': 'info' };

function diskTest(name, settings, body) {
  if (noDisk) test(name, { skip: noDisk });
  else serverTest(name, settings, async (server, t) => body(server, await Disk.under(server), t));
}

const isReady = async (server) => (await call(`${server.url}/ready`)).status === 200;

/** The process is killed, and then the power goes. */
async function losePower(server, disk, next) {
  await server.kill();
  disk.losePower(next);
}

diskTest('power loss loses nothing acknowledged, on any channel', SETTINGS, async (server, disk, t) => {
  await deaths(server, t, {
    rounds: ROUNDS,
    environment: disk.environment,
    // Half of the times some of what was not synced is left.
    died: (next) => disk.losePower(next() < 0.5 ? next : undefined),
  });
});

/** While `faults` last nothing is acknowledged, and /ready and the log say so; then it goes on by itself. */
async function refuses(server, shop, disk, faults) {
  const failures = () => server.metric('commit_failures_total');
  const fails = (goal) => shop.guard(until(async () => (await failures()) >= goal, 'commits to fail'));
  disk.fail(faults);
  await shop.guard(until(async () => !(await isReady(server)), 'the server to say that it cannot write'));
  await fails((await failures()) + 2); // by now every answer from before has come
  const acked = shop.acked;
  await fails((await failures()) + 5);
  assert.equal(shop.acked, acked, 'nothing is acknowledged');
  assert.match(server.log, /the store refuses writes/);
  disk.mend();
  await shop.guard(until(() => isReady(server), 'ready again by itself'));
}

for (const [name, faults] of [
  ['syncs fail', { sync: 'a' }],
  ['writes fail', { write: 'a' }],
])
  diskTest(`${name} for a while, then the power: nothing acknowledged is lost`, SETTINGS, async (server, disk, t) => {
    const next = random(seed);
    const shop = await Shop.open(server, seed);
    shop.start();
    for (let i = 0; i < FAILURES; i++) {
      await shop.busy(FEW);
      await refuses(server, shop, disk, faults);
      await shop.busy(Math.ceil(next() * FEW));
      await losePower(server, disk, next() < 0.5 ? next : undefined);
      await shop.receiver.nextLife();
      await server.start(disk.environment);
    }
    await shop.settle();
    await shop.readAll();
    t.diagnostic(`ORDERWIRE_SEED=${seed} ${shop.figures()}`);
  });

diskTest('each write is cut short: it goes on', SETTINGS, async (server, disk) => {
  const shop = await Shop.open(server, seed);
  shop.start();
  disk.fail({ short: 'a' });
  await shop.busy(FEW);
  await shop.settle();
  await shop.readAll();
});

/** Another process reads the database, for so many seconds at a time as of one moment, until it is ended. */
async function readerOf(server, seconds) {
  const program = `
import sqlite3, sys, time
db = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True, isolation_level=None)
while True:
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM orders").fetchone()
    print("reading", flush=True)
    time.sleep(${seconds})
    db.execute("COMMIT")
`;
  const database = path.join(server.data, 'orderwire.db');
  const child = spawn('python3', ['-c', program, database], { stdio: ['ignore', 'pipe', 'ignore'] });
  const closed = once(child, 'close');
  const { end } = server.own({ end: () => child.kill('SIGKILL') && closed, close: () => child.kill('SIGKILL') });
  await once(child.stdout, 'data');
  child.stdout.resume();
  return end;
}

diskTest('a checkpoint cut short by a reader, then one whose sync fails: both begin again', QUIET, async (server, disk) => {
  const bulk = new Bulk(await Project.create(server));
  await bulk.fill(5);
  const end = await readerOf(server, 600);
  await bulk.fill(5); // over 4,000 pages: what is older than the reader is copied, and not synced
  await end();
  disk.fail({ sync: 'd' });
  await until(async () => !(await bulk.write()), 'a checkpoint to fail');
  disk.mend();
  await until(() => isReady(server), 'ready again by itself');
  await bulk.fill(1); // the log has begun anew
  await losePower(server, disk);
  await server.start(disk.environment);
  await bulk.check();
});

/** What may happen to the disk, the server and the power in one life of the server. */
async function oneLife(server, disk, shop, bulk, next) {
  const end = await readerOf(server, next() < 0.5 ? 0.02 : 0.5);
  await shop.busy(1 + Math.floor(next() * FEW));
  await bulk.written(Math.floor(next() * LOG_BATCHES));
  disk.fail(FAULTS[Math.floor(next() * FAULTS.length)]);
  const enough = performance.now() + 20 + next() * 500;
  await shop.guard(until(async () => performance.now() > enough || !(await isReady(server)), 'the fault to be felt'));
  if (next() < 0.5) {
    disk.mend();
    await shop.busy(1 + Math.floor(next() * FEW));
    await bulk.written(Math.floor(next() * LOG_BATCHES));
  }
  await server.kill();
  await end();
  if (next() < 0.5) disk.losePower(next() < 0.5 ? next : undefined);
  else disk.mend();
}

diskTest('syncs and writes fail, the server dies, the power goes, in any order', SETTINGS, async (server, disk, t) => {
  const next = random(seed);
  const shop = await Shop.open(server, seed);
  const bulk = new Bulk(await Project.create(server, 77641), 600);
  shop.start();
  bulk.run(shop.pause).catch((error) => shop.failed.reject(error));
  for (let i = 0; i < FAILURES; i++) {
    await shop.guard(oneLife(server, disk, shop, bulk, next));
    await shop.receiver.nextLife();
    await server.start(disk.environment);
    if (next() < 0.7) continue;
    await losePower(server, disk); // again, when hardly anything was written
    await shop.receiver.nextLife();
    await server.start(disk.environment);
  }
  await bulk.stop();
  await shop.settle();
  await shop.readAll();
  await bulk.check();
  t.diagnostic(`ORDERWIRE_SEED=${seed} ${shop.figures()}`);
});

diskTest('what a failed sync left in the log is made durable at a restart', QUIET, async (server, disk) => {
  const bulk = new Bulk(await Project.create(server));
  await bulk.write(900, 0);
  await server.stop();
  await server.start(disk.environment); // all is in the database
  await bulk.write(1, 0);
  disk.fail({ sync: 'a' });
  assert.equal(await bulk.change('paid'), false);
  await server.kill();
  disk.mend();
  await server.start(disk.environment); // which reads it out of the system's memory
  await losePower(server, disk);
  await server.start(disk.environment);
  await bulk.check();
});

diskTest('reads fail: 503, and all is there once they work again', QUIET, async (server, disk) => {
  const project = await Project.create(server);
  const bulk = new Bulk(project);
  await bulk.fill(1);
  const read = () => project.getOrder(1, project.token('u')).then(({ status }) => status);
  disk.fail({ read: 'a' });
  assert.equal(await read(), 503);
  assert.equal((await call(`${server.url}/health`)).status, 200);
  disk.mend();
  assert.equal(await read(), 200);
  assert.ok(await bulk.change('paid'));
  await losePower(server, disk);
  await server.start(disk.environment);
  await bulk.check();
});

diskTest('a new data directory outlives the power once it has acknowledged something', QUIET, async (server, disk) => {
  await server.stop();
  disk.clear();
  await server.start(disk.environment);
  const project = await Project.create(server);
  const hook = await project.webhook({ url: 'https://shop.example/' });
  await losePower(server, disk);
  await server.start(disk.environment);
  await project.change({ webhook_allow_cidrs: ['127.0.0.1/32'] });
  assert.equal((await project.read(`/webhooks/${hook.id}`)).url, 'https://shop.example/');
});

diskTest('a start while syncs fail is refused with a sentence', QUIET, async (server, disk) => {
  const bulk = new Bulk(await Project.create(server));
  await bulk.fill(2);
  disk.fail({ sync: 'a' });
  assert.equal(await bulk.change('paid'), false);
  await server.kill();
  await assert.rejects(server.start(disk.environment), /ended with 1/);
  assert.match(server.log, /^orderwire: .*orderwire\.db/m);
  disk.mend();
  await server.start(disk.environment);
  await bulk.fill(1);
  await losePower(server, disk);
  await server.start(disk.environment);
  await bulk.check();
});
