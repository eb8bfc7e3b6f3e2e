// SPDX-License-Identifier: Apache-2.0
// A shop in full swing for a long time, with clients that come and go: what the server holds stays as it is.
// ORDERWIRE_MINUTES says for how long; without it 20 seconds show that the test works.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { random, seed, short } from './lib/events.mjs';
import { handshake } from './lib/raw.mjs';
import { serverTest } from './lib/server.mjs';
import { SETTINGS, Shop } from './lib/shop.mjs';

const MINUTES = Number(process.env.ORDERWIRE_MINUTES || 0);
const RUN_MS = MINUTES * 60_000 || (short ? 10_000 : 20_000);
/** Between two things that a writer does, at most: some 300 events a second. */
const PACE_MS = 400;
const SAMPLE_MS = Math.min(10_000, RUN_MS / 30);
/** What may be more in the last third than in the first. */
const MORE_KIB = 8 * 1024;
/** A page cache that is full soon. */
const CACHE = { 'store.cache': '2MiB' };
const MORE_DESCRIPTORS = 10;
/** Queues are as long as what came in one go. */
const QUEUE_MAX = 500;

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function sample(server, shop) {
  const latencies = shop.latencies.splice(0).toSorted((a, b) => a - b);
  return {
    memory: server.memory('RssAnon'),
    descriptors: readdirSync(`/proc/${server.pid}/fd`).length,
    queue: await server.metric('writer_queue'),
    inFlight: await server.metric('webhook_in_flight'),
    backlog: await server.metric('webhook_backlog'),
    sessions: await server.metric('sessions'),
    p50: latencies[Math.floor(latencies.length / 2)] ?? 0,
    p99: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
  };
}

/** The medians of the first third, but its beginning, and of the last. */
function thirds(samples) {
  const third = Math.floor(samples.length / 3);
  const settled = samples.slice(Math.ceil(third / 3), third);
  const of = (part) => Object.fromEntries(Object.keys(part[0]).map((key) => [key, median(part.map((one) => one[key]))]));
  return [of(settled), of(samples.slice(-third))];
}

const show = (figures) => Object.entries(figures).map(([name, value]) => `${name} ${Math.round(value * 10) / 10}`).join(', ');

/** Clients that vanish without a word, at any byte of their handshake. */
async function churn(server, next, stopped) {
  const { bytes } = handshake(server);
  while (!stopped()) {
    const socket = net.connect(server.port, '127.0.0.1').on('error', () => {});
    socket.write(bytes.slice(0, 1 + Math.floor(next() * bytes.length)));
    await new Promise((resolve) => setTimeout(resolve, next() * 50));
    socket.destroy();
  }
}

function check(first, last) {
  // A sanitizer keeps what was freed, and looks for leaks at the end.
  if (!short) assert.ok(last.memory - first.memory < MORE_KIB, 'memory');
  assert.ok(last.descriptors - first.descriptors < MORE_DESCRIPTORS, 'descriptors');
  for (const queue of ['queue', 'inFlight', 'backlog']) assert.ok(last[queue] < QUEUE_MAX, queue);
  assert.ok(last.p50 < 2 * first.p50 + 5, 'latency');
}

serverTest(`${RUN_MS / 1000} s of everything`, { ...SETTINGS, ...CACHE }, async (server, t) => {
  const shop = await Shop.open(server, seed, PACE_MS);
  const end = Date.now() + RUN_MS;
  const samples = [];
  shop.start();
  const churning = churn(server, random(seed + 7), () => Date.now() >= end);
  while (Date.now() < end) {
    await shop.guard(new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))); // the pace of the measurement
    samples.push(await sample(server, shop));
  }
  await churning;
  const [first, last] = thirds(samples);
  t.diagnostic(`first third: ${show(first)}`);
  t.diagnostic(`last third:  ${show(last)}`);
  await shop.settle();
  await shop.readAll();
  t.diagnostic(shop.figures());
  check(first, last);
});
