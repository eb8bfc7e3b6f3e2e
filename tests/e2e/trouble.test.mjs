// SPDX-License-Identifier: Apache-2.0
// The machine makes trouble while a shop is in full swing: no descriptors, no memory, a full disk, a slow disk,
// threads that stand still, a clock that jumps, SIGTERM. What can go on goes on, and when the trouble is over
// everything that was acknowledged has been seen on all channels, once and in order.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { call, Project } from './lib/api.mjs';
import { seed, short, until } from './lib/events.mjs';
import { Receiver } from './lib/receiver.mjs';
import { serverTest } from './lib/server.mjs';
import { SETTINGS, Shop } from './lib/shop.mjs';

const run = promisify(execFile);
const FEW = short ? 50 : 200;
/** ORDERWIRE_ROUNDS is set by `make crash`, which has the time. */
const STALL_MS = process.env.ORDERWIRE_ROUNDS ? 10_000 : 3_000;
const FAKETIME = readdirSync('/usr/lib')
  .map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
  .find((file) => existsSync(file));


/** A test with a shop at work; `body` makes trouble and ends it. */
function troubleTest(name, body, settings = {}) {
  serverTest(name, { ...SETTINGS, ...settings }, async (server, t) => {
    const shop = await Shop.open(server, seed);
    try {
      shop.start();
      await shop.busy(FEW);
      await body(server, shop, t);
      await shop.busy(FEW);
      await shop.settle();
      await shop.readAll();
      t.diagnostic(shop.figures());
    } catch (error) {
      error.message += ` (ORDERWIRE_SEED=${seed})`;
      throw error;
    }
  });
}

function limit(server, resource, value) {
  return run('prlimit', ['--pid', String(server.pid), `--${resource}=${value}:unlimited`]);
}

/** Starts it anew with a fault. */
async function again(server, shop, environment) {
  await server.kill();
  await shop.receiver.nextLife();
  await server.start(environment);
}

const isReady = async (server) => (await call(`${server.url}/ready`)).status === 200;

troubleTest('no descriptors left: who is in is served, others come in afterwards', async (server, shop) => {
  const { soft, hard } = /^Max open files +(?<soft>\d+) +(?<hard>\d+)/m.exec(readFileSync(`/proc/${server.pid}/limits`, 'utf8')).groups;
  const open = readdirSync(`/proc/${server.pid}/fd`).length;
  const setLimit = (most) => run('prlimit', ['--pid', String(server.pid), `--nofile=${most}:${hard}`]);
  await setLimit(open + 10);
  let refused = 0;
  const hogs = Array.from({ length: 60 }, () => net.connect(server.port, '127.0.0.1').on('close', () => refused++).on('error', () => {}));
  await shop.guard(until(() => refused > 0, 'connections to be refused'));
  await shop.busy(FEW);
  assert.match(server.log, /descriptors|open files/i);
  for (const hog of hogs) hog.destroy();
  await setLimit(soft);
});

// A sanitizer has a memory of its own.
if (!short) troubleTest('no memory left: it dies, and comes back with all', async (server, shop, t) => {
  // Refused for want of a user: nothing of it is stored.
  const line = JSON.stringify({ content: { text: 'x'.repeat(1500) } });
  const body = Array(1000).fill(line).join('\n');
  await limit(server, 'data', (server.memory('VmData') + 1024) * 1024);
  const died = server.died('no memory', ['SIGABRT', 'SIGKILL', 'SIGSEGV']);
  let over = false;
  const hog = async () => {
    while (!over)
      await shop.project.request('POST', '/orders/batch', body, { 'content-type': 'application/x-ndjson' }).catch(shop.pause);
  };
  died.finally(() => (over = true)).catch(() => {});
  await shop.guard(Promise.race([died, ...Array.from({ length: 16 }, hog)]));
  over = true;
  t.diagnostic(`it died of ${await died}`);
  await shop.receiver.nextLife();
  await server.start();
});

for (const [name, fault] of [
  [`a worker stands still for ${STALL_MS / 1000} s`, `worker_feed:30:${STALL_MS}`],
  [`the disk stands still for ${STALL_MS / 1000} s`, `writer_before_commit:30:${STALL_MS}`],
  ['a slow disk: each commit takes 50 ms', 'writer_before_commit:0:50'],
])
  troubleTest(name, async (server, shop, t) => {
    await again(server, shop, { ORDERWIRE_FAULT: fault });
    const begun = performance.now();
    await shop.busy(2 * FEW);
    t.diagnostic(`${2 * FEW} events in ${Math.round(performance.now() - begun)} ms`);
  });

troubleTest('the process stands still', async (server) => {
  process.kill(server.pid, 'SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, STALL_MS)); // it is the trouble
  process.kill(server.pid, 'SIGCONT');
});

troubleTest('SIGTERM under load: it ends in time with 0', async (server, shop, t) => {
  const times = [];
  for (let i = 0; i < (short ? 2 : 5); i++) {
    await shop.busy(FEW);
    const begun = performance.now();
    await server.stop();
    times.push(Math.round(performance.now() - begun));
    await shop.receiver.nextLife();
    await server.start();
  }
  t.diagnostic(`it ended after ${times.join(', ')} ms`);
  if (!short) assert.ok(Math.max(...times) < 3000);
}, { drain_time: '1s' });

async function fullDisk(server, shop, fill, clear) {
  await fill();
  await shop.guard(until(async () => !(await isReady(server)), 'the server to say that it cannot write'));
  assert.equal((await call(`${server.url}/health`)).status, 200);
  await clear();
  await shop.guard(until(() => isReady(server), 'ready again by itself'));
}

troubleTest('writes fail (a limit of the size of files)', async (server, shop) => {
  await fullDisk(server, shop, () => limit(server, 'fsize', 4096), () => limit(server, 'fsize', 'unlimited'));
});

/** Everything that a small file system has left. */
function fillUp(file) {
  let size = 1 << 20;
  for (let flag = 'w'; size > 0; flag = 'a') {
    try {
      writeFileSync(file, Buffer.alloc(size), { flag });
    } catch (error) {
      assert.equal(error.code, 'ENOSPC');
      size >>= 1;
    }
  }
}

async function withSmallDisk(t, server, body) {
  await server.stop();
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=48m,mode=0700', 'orderwire', server.data]);
  } catch (error) {
    t.skip(`no small file system could be mounted (root may): ${error.stderr.trim()}`);
    await server.start();
    return;
  }
  server.own({ destroy: () => run('umount', ['--lazy', server.data]) });
  await server.start();
  await body();
}

serverTest('a full disk, under load and at a start', SETTINGS, async (server, t) => {
  await withSmallDisk(t, server, async () => {
    const shop = await Shop.open(server, seed);
    const filler = path.join(server.data, 'filler');
    shop.start();
    await shop.busy(FEW);
    await fullDisk(server, shop, () => fillUp(filler), () => rmSync(filler));
    await shop.busy(FEW);
    await shop.settle();
    fillUp(filler);
    await again(server, shop);
    await fullDisk(server, shop, () => shop.start(), () => rmSync(filler));
    await shop.busy(FEW);
    await shop.settle();
    await shop.readAll();
    t.diagnostic(shop.figures());
  });
});

/** Starts it anew with a clock that is as `file` says; `jump` writes there. */
async function fakeClock(server, start) {
  const file = path.join(server.data, 'clock');
  const jump = (offset) => writeFileSync(file, offset);
  jump('+0');
  await start({
    LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_FORCE_MONOTONIC_FIX: '1',
  });
  return jump;
}

// It does not load beside a sanitizer.
if (FAKETIME && !short) {
  troubleTest('the clock jumps an hour ahead, and two back', async (server, shop) => {
    const jump = await fakeClock(server, (environment) => again(server, shop, environment));
    for (const offset of ['+3600', '-3600', '+0']) {
      jump(offset);
      await shop.busy(FEW);
    }
  });

  serverTest('a clock that was set back makes no delivery too old', {}, async (server) => {
    await server.stop();
    const jump = await fakeClock(server, (environment) => server.start(environment));
    const project = await Project.withWebhooks(server);
    const receiver = await Receiver.open(server);
    await project.webhook({ url: receiver.url, max_age: 600 });
    await project.create('u1', { order_id: 1 });
    await receiver.count(1);
    jump('-3600');
    await project.create('u1', { order_id: 2 });
    const deliveries = async () => (await project.read('/deliveries')).deliveries;
    await until(async () => (await deliveries()).every((one) => one.finished_at), 'both to be finished');
    assert.deepEqual((await deliveries()).map((one) => one.state), ['delivered', 'delivered']);
  });
} else test('the clock jumps', { skip: 'libfaketime is not installed, or a sanitizer is in its way' });
