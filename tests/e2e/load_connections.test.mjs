// SPDX-License-Identifier: Apache-2.0
// As many connections as the file limit allows, up to 10,000, each of another user: every one receives
// every event of the run exactly once and in order, and the server's memory stays where it was.
// ORDERWIRE_LOAD=full makes the run a minute long.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Project } from './lib/api.mjs';
import { deferred, short, within } from './lib/events.mjs';
import { eventAt, isNext, LightConnection } from './lib/light.mjs';
import { frame, handshake } from './lib/raw.mjs';
import { serverTest } from './lib/server.mjs';

const RUN_MS = process.env.ORDERWIRE_LOAD === 'full' ? 60_000 : short ? 8_000 : 20_000;
const WANTED = short ? 2_000 : 10_000;
const AT_ONCE = 100;
const BATCH = 1_000;
const WARM_UP = 0.25;
const GROWTH_MAX_KIB = 8 * 1024;

/** Open files that a process may have. */
function fileLimit(pid) {
  const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
  return Number(/^Max open files\s+(\d+)/m.exec(limits)[1]);
}

const PUSH = Buffer.from('{"push":');

/** One user's connection. `run.take()` is called for each event. */
class Connection {
  offset = 0;
  #opened = deferred();

  constructor(server, project, u, run) {
    Object.assign(this, { u, run });
    const data = { auth: project.token(`user-${u}`), project_id: project.id };
    const connect = frame(JSON.stringify({ connect: { data }, id: 1 }));
    this.link = new LightConnection(server, Buffer.concat([Buffer.from(handshake(server).bytes), connect]), {
      message: (payload) => this.#message(payload),
      failed: (error) => this.#fail(error.message),
    });
  }

  opened() {
    return within(this.#opened.promise, `the connection of user ${this.u}`);
  }

  #fail(reason) {
    const error = new Error(`user ${this.u} at offset ${this.offset}: ${reason}`);
    this.#opened.reject(error);
    this.run.fail(error);
  }

  #message(payload) {
    if (payload.subarray(0, PUSH.length).equals(PUSH)) {
      const { pub } = JSON.parse(payload).push;
      if (!isNext(pub, this.u, this.offset, this.run.users)) this.#fail(`got ${payload}`);
      this.offset = pub.offset;
      this.run.take();
    } else if (JSON.parse(payload).connect) {
      this.#opened.resolve();
    } else {
      this.#fail(`got ${payload}`);
    }
  }
}

/** The whole of the clients: counts events, and remembers the first failure. */
class Run {
  connections = [];
  events = 0;
  #failed = deferred();
  #round = null;

  constructor(users) {
    this.users = users;
  }

  take() {
    this.events++;
    if (this.events === this.#round?.goal) this.#round.resolve();
  }

  fail(error) {
    this.#failed.reject(error);
  }

  /** `promise`, unless something fails before. */
  guard(promise) {
    return Promise.race([promise, this.#failed.promise]);
  }

  /** All events up to `goal` have come. */
  async reached(goal) {
    this.#round = Object.assign(deferred(), { goal });
    if (this.events < goal) await this.guard(within(this.#round.promise, `${goal} events; ${this.events} came`));
  }

  destroy() {
    for (const connection of this.connections) connection.link.destroy();
  }
}

async function connectAll(server, project, run) {
  for (let u = 0; u < run.users; u += AT_ONCE) {
    const group = [];
    for (let i = u; i < Math.min(u + AT_ONCE, run.users); i++)
      group.push(new Connection(server, project, i, run));
    run.connections.push(...group);
    await run.guard(Promise.all(group.map((connection) => connection.opened())));
  }
}

/** One event for each user. */
async function round(project, run, offset) {
  for (let u = 0; u < run.users; u += BATCH) {
    const lines = [];
    for (let i = u; i < Math.min(u + BATCH, run.users); i++)
      lines.push({ ...eventAt(i, offset, run.users), user_external_id: `user-${i}` });
    await run.guard(project.batch(lines));
  }
}

/** The database's cache may take 64 MiB; it is filled first, so that what grows later is something else. */
async function fillCache(project) {
  const content = { items: [{ sku: 'ballast' }], ballast: 'x'.repeat(31_000) };
  for (let i = 0; i < (short ? 2 : 40); i++)
    await project.batch(Array.from({ length: 64 }, () => ({ user_external_id: 'nobody', content })));
}

serverTest('every connection gets every event once and in order', { 'log.level': 'warning' }, async (server, t) => {
  const room = Math.min(fileLimit(process.pid), fileLimit(server.pid)) - 200;
  const run = server.own(new Run(Math.min(WANTED, room)));
  if (run.users < WANTED) t.diagnostic(`the file limit allows ${run.users} connections`);
  const project = await Project.create(server);
  await project.batch([{ order_id: 1, user_external_id: 'nobody' }]);

  const empty = server.memory('VmRSS');
  let begun = Date.now();
  await connectAll(server, project, run);
  const connected = server.memory('VmRSS');
  t.diagnostic(
    `${run.users} connections in ${Date.now() - begun} ms; the server takes ${connected} KiB, ` +
      `${Math.round(((connected - empty) * 1024) / run.users)} bytes for each connection`,
  );
  assert.equal(await server.metric('sessions'), run.users);

  await fillCache(project);
  begun = Date.now();
  let offset = 0;
  let warm = 0;
  for (let elapsed = 0; elapsed < RUN_MS; elapsed = Date.now() - begun) {
    await round(project, run, ++offset);
    await run.reached(offset * run.users);
    if (!warm && Date.now() - begun >= RUN_MS * WARM_UP) warm = server.memory('VmRSS');
  }
  const seconds = (Date.now() - begun) / 1000;
  const end = server.memory('VmRSS');
  for (const connection of run.connections) assert.equal(connection.offset, offset);
  assert.equal(run.events, offset * run.users);
  t.diagnostic(
    `${run.events} events in ${seconds.toFixed(1)} s, ${Math.round(run.events / seconds)} a second; ` +
      `the server took ${warm} KiB after the warm-up and ${end} KiB at the end`,
  );
  if (!short) assert.ok(end - warm < GROWTH_MAX_KIB, `memory grew from ${warm} to ${end} KiB`);
  assert.equal(await server.metric('closes_total{reason="slow"}'), 0);
  run.destroy();
});
