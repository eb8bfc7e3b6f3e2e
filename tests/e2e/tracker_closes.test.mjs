// SPDX-License-Identifier: Apache-2.0
// Every way in which a connection can end, and what the trackers of the five store SDKs make of it: each of them must
// come to know what became of its order. Faults of the network are the proxy's.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Project } from './lib/api.mjs';
import { begin, engines, isMobile, prepare } from './lib/engines.mjs';
import { until } from './lib/events.mjs';
import { connectFrame } from './lib/mobile_trackers.mjs';
import { Proxy } from './lib/proxy.mjs';
import { closePayload, frame, OPCODE } from './lib/raw.mjs';
import { serverTest, step } from './lib/server.mjs';

const table = readFileSync(new URL('../../src/codec/close_codes.def', import.meta.url), 'utf8');
const CODES = [...table.matchAll(/^CLOSE_CODE\(\w+, +(\d+), +"([^"]+)"/gm)].map(([, code, reason]) => [Number(code), reason]);
const OTHERS = [[1000, ''], [1001, 'going away'], [1009, 'too large'], [4000, 'an application'], [4500, 'an application']];

const closeFrame = (code, reason) => frame(closePayload(code, reason), { opcode: OPCODE.close, masked: false });
const isTerminal = (code) => (code >= 3500 && code < 4000) || code >= 4500;

/** What xsolla-sdks.md 1.10 says that an engine does: "polls", "comes back" or "stuck". */
function expected(engine, code, isConnected) {
  if (!isMobile(engine)) return 'polls';
  if (isConnected) return isTerminal(code) ? 'stuck' : 'comes back';
  return engine === 'Android' && isTerminal(code) ? 'stuck' : 'polls';
}

async function behind(server, project, engine, options) {
  const gate = await Proxy.open(server);
  return { gate, ...(await prepare(server, project, engine, { gate, ...options })) };
}

/** The order goes on; the tracker hears of it by polling, or once it is back. */
async function completes(project, tracker, wanted) {
  if (wanted === 'stuck') {
    await tracker.until(() => tracker.isStuck, 'the end of the client');
    return;
  }
  await tracker.until(() => (wanted === 'polls' ? tracker.polling : tracker.connects >= 2), `that it ${wanted}`);
  // A connection that begins after the last change is told that one alone.
  if (wanted === 'comes back') await tracker.sees('new');
  await project.set(tracker.orderId, 'done');
  const { outcome, via, error } = await tracker.result();
  assert.equal(outcome, 'success', error);
  assert.equal(via, wanted === 'polls' ? 'polling' : 'socket');
  if (wanted === 'comes back') assert.deepEqual(tracker.statuses, ['new', 'paid', 'done']);
}

/** `body(code, reason)` for each, all at once. */
async function withEachCode(body) {
  const one = ([code, reason]) =>
    body(code, reason).catch((cause) => {
      throw new Error(`${code} ${reason}: ${cause.message}`, { cause });
    });
  await Promise.all([...CODES, ...OTHERS].map(one));
}

for (const engine of Object.keys(engines)) {
  serverTest(`${engine}: each close code`, {}, async (server) => {
    const project = await Project.create(server);
    await withEachCode(async (code, reason) => {
      const { gate, tracker } = await behind(server, project, engine);
      await tracker.start();
      await tracker.sees('new');
      gate.hangUp(closeFrame(code, reason));
      await tracker.until(() => tracker.closed, 'the Close frame');
      assert.deepEqual(tracker.closed, { code, reason });
      await completes(project, tracker, expected(engine, code, true));
    });
    await withEachCode(async (code, reason) => {
      const { gate, tracker } = await behind(server, project, engine);
      gate.deaf = true;
      await tracker.start();
      await tracker.until(() => tracker.connectFrame, 'the connect command');
      gate.hangUp(closeFrame(code, reason));
      await completes(project, tracker, expected(engine, code, false));
    });
  });

  serverTest(`${engine}: a connection that breaks without a word`, {}, async (server) => {
    const project = await Project.create(server);
    const { gate, tracker } = await behind(server, project, engine);
    await tracker.start();
    await tracker.sees('new');
    gate.cut();
    await completes(project, tracker, engine === 'iOS' ? 'comes back' : 'polls');

    const early = await behind(server, project, engine);
    early.gate.deaf = true;
    await early.tracker.start();
    await early.tracker.until(() => early.tracker.connectFrame, 'the connect command');
    early.gate.deaf = false;
    early.gate.cut();
    await completes(project, early.tracker, engine === 'iOS' ? 'comes back' : 'polls');
  });

  serverTest(`${engine}: a handshake that is refused`, {}, async (server) => {
    const project = await Project.create(server);
    const { gate, tracker } = await behind(server, project, engine);
    gate.refusing = true;
    await tracker.start();
    await completes(project, tracker, 'polls');

    const lively = await behind(server, project, engine);
    await lively.tracker.start();
    await lively.tracker.sees('new');
    lively.gate.refusing = true;
    lively.gate.hangUp(closeFrame(3001, 'shutdown'));
    await completes(project, lively.tracker, 'polls');
  });

  serverTest(`${engine}: a server that is killed`, {}, async (server) => {
    const project = await Project.create(server);
    const { order_id, tracker } = await begin(server, project, engine);
    const { poll } = tracker;
    tracker.poll = async () => {};
    await server.kill();
    await tracker.until(() => tracker.polling, 'polling');
    await server.start();
    await project.set(order_id, 'done');
    tracker.poll = poll;
    await tracker.poll();
    assert.equal((await tracker.result()).outcome, 'success');
  });

  serverTest(`${engine}: refused credentials by the other code`, {
    'realtime.terminal_refusal_json': 'false',
    'realtime.terminal_refusal_protobuf': 'true',
  }, async (server) => {
    const project = await Project.create(server);
    const { tracker } = await prepare(server, project, engine);
    Object.assign(tracker, { token: tracker.auth, auth: 'not-a-token' });
    await tracker.start();
    await tracker.until(() => tracker.closed, 'the refusal');
    assert.deepEqual(tracker.closed, { code: isMobile(engine) ? 3500 : 3499, reason: 'invalid token' });
    await completes(project, tracker, engine === 'Android' ? 'stuck' : 'polls');
  });
}

for (const engine of ['Android', 'iOS']) {
  serverTest(`${engine}: no connect reply in time`, {}, async (server) => {
    const project = await Project.create(server);
    const { gate, tracker } = await behind(server, project, engine, { times: { reply: 200 } });
    gate.deaf = true;
    await tracker.start();
    await completes(project, tracker, 'polls');
  });

  serverTest(`${engine}: no pings`, { 'realtime.ping_interval': '1s', 'realtime.pong_timeout': '500ms' }, async (server) => {
    const project = await Project.create(server);
    const { gate, tracker } = await behind(server, project, engine, { times: { silence: 100 } });
    await tracker.start();
    await tracker.sees('new');
    gate.mute();
    await completes(project, tracker, engine === 'Android' ? 'polls' : 'comes back');
  });

  serverTest(`${engine}: several disconnects in a row are recovered`, {}, async (server) => {
    const project = await Project.create(server);
    const { gate, tracker, user } = await behind(server, project, engine);
    await tracker.start();
    await tracker.sees('new');
    const other = await project.create(user);
    const follower = tracker.also(other.order_id);
    for (const status of ['paid', 'done']) {
      gate.hangUp(closeFrame(3005, 'connection expired'));
      await project.set(other.order_id, status);
      await follower.sees(status);
    }
    assert.deepEqual(follower.statuses.filter((status) => status !== 'new'), ['paid', 'done']);
    assert.ok(tracker.connects >= 3);
    await project.set(tracker.orderId, 'canceled');
    assert.equal((await tracker.result()).outcome, 'canceled');
    assert.deepEqual(tracker.statuses, ['new', 'canceled']);
    assert.equal(await server.metric('recoveries_total{result="failed"}'), 0);
  });
}

/* The player pays in another app, and the order is done before the game is back. */
serverTest('games in the background', { 'realtime.ping_interval': '1s', 'realtime.pong_timeout': '300ms' }, async (server, t) => {
  const project = await Project.create(server);
  const games = [];
  for (const engine of Object.keys(engines)) games.push({ engine, ...(await begin(server, project, engine)) });
  for (const { tracker } of games) tracker.freeze();
  await until(async () => (await server.metric('sessions')) === 0, 'the end of all sessions');
  for (const { order_id } of games) await project.set(order_id, 'done');
  for (const { engine, tracker } of games) {
    await step(t, server, engine, async () => {
      tracker.thaw();
      const { outcome, via } = await tracker.result();
      assert.equal(outcome, 'success');
      assert.equal(via, isMobile(engine) ? 'socket' : 'polling');
      if (isMobile(engine)) assert.deepEqual(tracker.statuses, ['new', 'paid', 'done'], 'recovered');
      if (engine !== 'iOS') assert.deepEqual(tracker.closed, { code: 3012, reason: 'no pong' });
    });
  }
  assert.equal(await server.metric('recoveries_total{result="ok"}'), 2);
});

test('the connect commands of Android and iOS, byte by byte', () => {
  const hex = (...words) => Buffer.from(words.join('').replaceAll(' ', ''), 'hex');
  const android = '{"auth":"T","project_id":77640}';
  const data = Buffer.from(android).toString('hex');
  const channel = '0a0a6f3a37373634303a7531';
  const position = { recover: true, epoch: 'ep01', offset: 1 };
  assert.deepEqual(connectFrame(1, android, [], 'java'), hex('2b 0801 2227 121f', data, '2204 6a617661'));
  assert.deepEqual(
    connectFrame(2, android, [['o:77640:u1', position]], 'java'),
    hex('45 0802 2241 121f', data, '1a18', channel, '120a 1801 320465703031 3801 2204 6a617661'),
  );
  const ios = '{\n  "auth" : "T",\n  "project_id" : 77640\n}';
  assert.deepEqual(
    connectFrame(1, ios, [], 'swift'),
    hex('37 0801 2233 122a', Buffer.from(ios).toString('hex'), '2205 7377696674'),
  );
});
