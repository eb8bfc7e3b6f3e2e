// SPDX-License-Identifier: Apache-2.0
// The power goes, and calls fail, on a disk with faults (lib/disk.mjs): nothing that was acknowledged is lost.
// ORDERWIRE_ROUNDS says how often the power goes, at moments as in crash.test.mjs; ORDERWIRE_SEED as there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { call, Project } from './lib/api.mjs';
import { deaths } from './lib/deaths.mjs';
import { Disk, noDisk } from './lib/disk.mjs';
import { random, seed, until } from './lib/events.mjs';
import { Follower } from './lib/follower.mjs';
import { serverTest } from './lib/server.mjs';
import { SETTINGS, Shop } from './lib/shop.mjs';

const ROUNDS = Number(process.env.ORDERWIRE_ROUNDS || 6);
const FAILURES = process.env.ORDERWIRE_ROUNDS ? 20 : 2;
const FEW = 100;
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
  ['syncs of the log fail', { sync: 'w' }],
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

/** Orders with long contents, which fill the log; it knows those that were acknowledged. */
class Bulk {
  #texts = new Map();

  constructor(project) {
    this.project = project;
  }

  /** False when it is refused. */
  async #send(orders) {
    const lines = orders.map((order) => JSON.stringify({ user_external_id: 'u', ...order })).join('\n');
    const answer = await this.project.request('POST', '/orders/batch', lines, { 'content-type': 'application/x-ndjson' });
    if (answer.status === 503) return false;
    assert.equal(answer.status, 200, answer.text);
    return true;
  }

  /** Makes orders, which take about 500 pages; false when it is refused. */
  async write(count = 60, length = 30_000) {
    const orders = Array.from({ length: count }, (_, i) => ({
      order_id: this.#texts.size + i + 1, status: 'new', content: { text: `${Math.random()}`.padEnd(length, 'text') },
    }));
    if (!(await this.#send(orders))) return false;
    for (const order of orders) this.#texts.set(order.order_id, order.content.text);
    return true;
  }

  /** Changes them all; false when it is refused. */
  change(status) {
    return this.#send([...this.#texts.keys()].map((id) => ({ order_id: id, status })));
  }

  async fill(batches) {
    for (let i = 0; i < batches; i++) assert.ok(await this.write());
  }

  /** All that was acknowledged is there as it was written, and what is there is of one moment. */
  async check() {
    const { project } = this;
    let events = 0;
    const look = async ([id, text]) => {
      const order = await project.read(`/orders/${id}`);
      assert.equal(order.content.text, text, `order ${id}`);
      assert.equal(order.events.length, order.seq, `order ${id}`);
      events += order.seq;
    };
    const all = [...this.#texts];
    for (let i = 0; i < all.length; i += 16) await Promise.all(all.slice(i, i + 16).map(look));
    const data = { auth: project.token('u'), project_id: project.id };
    await new Follower(project.server, { data, next: () => 1, taken() {} }).finish(events);
  }
}

/** Another process reads the database as it is now, until it is told to end. */
async function readerOf(server) {
  const program = `
import sqlite3, sys
db = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True, isolation_level=None)
db.execute("BEGIN")
db.execute("SELECT count(*) FROM orders").fetchone()
print("reading", flush=True)
sys.stdin.read()
`;
  const child = server.own(spawn('python3', ['-c', program, path.join(server.data, 'orderwire.db')], { stdio: ['pipe', 'pipe', 'inherit'] }));
  child.destroy = () => child.kill('SIGKILL');
  await once(child.stdout, 'data');
  return async () => {
    child.stdin.end();
    await once(child, 'close');
  };
}

diskTest('a checkpoint that a reader cuts short, then one whose sync fails: both begin again', QUIET, async (server, disk) => {
  const bulk = new Bulk(await Project.create(server));
  await bulk.fill(5);
  const ended = await readerOf(server);
  await bulk.fill(5); // over 4,000 pages: what is older than the reader is copied, and not synced
  await ended();
  disk.fail({ sync: 'd' });
  await until(async () => !(await bulk.write()), 'a checkpoint to fail');
  disk.mend();
  await until(() => isReady(server), 'ready again by itself');
  await bulk.fill(1); // the log has begun anew
  await losePower(server, disk);
  await server.start(disk.environment);
  await bulk.check();
});

diskTest('what a failed sync left in the log is made durable at a restart before it is used', QUIET, async (server, disk) => {
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
