// SPDX-License-Identifier: Apache-2.0
// All clients lose their connection at one moment and come back at one moment, each with its position,
// while updates go on: first the network between goes, then the server dies. The server is stopped
// until all handshakes wait at its door, so that no client's slowness spreads the storm; what is
// measured is what a client would see. ORDERWIRE_LOAD=full lets 5,000 come.
import assert from 'node:assert/strict';
import { Project } from './lib/api.mjs';
import { deferred, short, within } from './lib/events.mjs';
import { eventAt, isNext, LightConnection } from './lib/light.mjs';
import { frame, handshake } from './lib/raw.mjs';
import { serverTest } from './lib/server.mjs';

const USERS = process.env.ORDERWIRE_LOAD === 'full' ? 5_000 : short ? 300 : 1_500;
const AT_ONCE = 100;
const BATCH = 250;
// The Go SDK gives a handshake 1 s; all give the connect command 5 s.
const HANDSHAKE_MAX_MS = 1_000;
const CONNECT_MAX_MS = 5_000;
const MEMORY_MAX_KIB = 16 * 1024;

/** One user's client, with its position over all its connections. */
class Client {
  offset = 0;
  connects = 0;
  #told = null;

  constructor(project, u, run) {
    Object.assign(this, { u, run });
    this.data = { auth: project.token(`user-${u}`), project_id: project.id };
  }

  /** What is sent next time; made before, so that the storm is not held up. */
  prepare(server) {
    const subs = this.channel && { [this.channel]: { recover: true, offset: this.offset, epoch: this.epoch } };
    this.bytes = Buffer.from(handshake(server).bytes);
    this.command = frame(JSON.stringify({ connect: { data: this.data, ...(subs && { subs }) }, id: ++this.connects }));
    this.asks = subs !== undefined;
    this.connected = deferred();
  }

  open(server) {
    this.link = new LightConnection(server, this.bytes, {
      opened: () => this.#opened(),
      message: (payload) => this.#message(JSON.parse(payload)),
      failed: (error) => this.#fail(error.message),
    });
    return this.link;
  }

  #opened() {
    this.openedAt = performance.now();
    this.link.write(this.command);
  }

  #fail(reason) {
    const error = new Error(`user ${this.u} at offset ${this.offset}, connection ${this.connects}: ${reason}`);
    this.connected.reject(error);
    this.run.failed.reject(error);
  }

  #take(publication) {
    if (publication.offset === undefined) return; // a latest status
    if (!isNext(publication, this.u, this.offset, USERS)) this.#fail(`got ${JSON.stringify(publication)}`);
    this.offset = publication.offset;
    this.#tell();
  }

  #message(message) {
    if (message.push) {
      this.#take(message.push.pub);
    } else if (message.id === this.connects && message.connect) {
      this.connectedAt = performance.now();
      this.#begin(message.connect);
    } else {
      this.#fail(`got ${JSON.stringify(message)}`);
    }
  }

  #begin({ subs }) {
    const [[channel, sub]] = Object.entries(subs);
    if (Boolean(sub.recovered) !== this.asks || (sub.offset ?? 0) !== this.offset)
      this.#fail(`the connect reply has ${JSON.stringify(sub)}`);
    Object.assign(this, { channel, epoch: sub.epoch });
    this.run.recovered += sub.publications?.length ?? 0;
    for (const publication of sub.publications ?? []) this.#take(publication);
    this.connected.resolve();
  }

  #tell() {
    if (this.#told && this.offset >= this.#told.offset) this.#told.resolve();
  }

  /** The client has been told everything up to `offset`. */
  async reaches(offset) {
    this.#told = Object.assign(deferred(), { offset });
    this.#tell();
    await within(this.#told.promise, `offset ${offset} of user ${this.u}, who is at ${this.offset}`);
  }
}

/** All clients, and the merchant who goes on posting whatever happens to the server. */
class Run {
  failed = deferred();
  recovered = 0;
  posted = new Array(USERS).fill(0);
  #round = null;
  #stopped = false;
  #over = false;

  constructor(server, project) {
    Object.assign(this, { server, project });
    this.clients = Array.from({ length: USERS }, (_, u) => new Client(project, u, this));
  }

  guard(promise) {
    return Promise.race([promise, this.failed.promise]);
  }

  /** One event for each user from `first` on; again until it is answered, for that does no harm. */
  async post(first) {
    const users = Array.from({ length: Math.min(BATCH, USERS - first) }, (_, i) => first + i);
    const lines = users.map((u) => ({ ...eventAt(u, this.posted[u] + 1, USERS), user_external_id: `user-${u}` }));
    for (;;) {
      await this.server.up;
      try {
        await this.project.batch(lines);
        break;
      } catch (error) {
        if (this.#over || error instanceof assert.AssertionError) throw error;
      }
    }
    for (const u of users) this.posted[u]++;
  }

  async round() {
    for (let first = 0; first < USERS; first += BATCH) await this.post(first);
  }

  async #write() {
    while (!this.#stopped) {
      await this.round();
      this.#round.resolve();
      this.#round = deferred();
    }
  }

  /** Each user has had an event since now: the round under way has ended, and another one. */
  async allMissOne() {
    for (let i = 0; i < 2; i++) await this.guard(this.#round.promise);
  }

  startWriting() {
    this.#round = deferred();
    this.writer = this.#write();
    this.writer.catch((error) => this.failed.reject(error));
  }

  async finish() {
    this.#stopped = true;
    await this.writer;
    await this.guard(Promise.all(this.clients.map((client) => client.reaches(this.posted[client.u]))));
    for (const client of this.clients) assert.equal(client.offset, this.posted[client.u]);
  }

  async connectInGroups() {
    for (let first = 0; first < USERS; first += AT_ONCE) {
      const group = this.clients.slice(first, first + AT_ONCE);
      for (const client of group) {
        client.prepare(this.server);
        client.open(this.server);
      }
      await this.guard(Promise.all(group.map((client) => client.connected.promise)));
    }
  }

  drop() {
    for (const client of this.clients) client.link?.destroy();
  }

  /** All at once; how long each client waited for its handshake and for its connect reply, in ms. */
  async storm() {
    process.kill(this.server.pid, 'SIGSTOP');
    const waiting = this.clients.map((client) => {
      const { socket } = client.open(this.server);
      return new Promise((resolve) => socket.once('connect', resolve));
    });
    await this.guard(within(Promise.all(waiting), 'all connections to be at the door'));
    const begun = performance.now();
    process.kill(this.server.pid, 'SIGCONT');
    await this.guard(within(Promise.all(this.clients.map((client) => client.connected.promise)), 'all connect replies'));
    return {
      handshake: this.clients.map((client) => client.openedAt - begun),
      connect: this.clients.map((client) => client.connectedAt - client.openedAt),
    };
  }

  destroy() {
    this.#stopped = true;
    this.#over = true;
    this.drop();
  }
}

function figures(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.ceil(share * sorted.length) - 1]);
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms`;
}

async function check(t, run, name) {
  const { handshake: handshakes, connect: connects } = await run.storm();
  t.diagnostic(`${name}: ${USERS} handshakes ${figures(handshakes)}; connect replies ${figures(connects)}`);
  assert.ok(Math.max(...handshakes) < HANDSHAKE_MAX_MS);
  assert.ok(Math.max(...connects) < CONNECT_MAX_MS);
}

serverTest('all clients come back at once', { 'log.level': 'warning' }, async (server, t) => {
  const project = await Project.create(server);
  const run = server.own(new Run(server, project));
  await run.round();
  for (const client of run.clients) client.offset = 1;
  await run.connectInGroups();
  const calm = server.memory('VmRSS');
  run.startWriting();

  for (const client of run.clients) client.prepare(server);
  run.drop();
  await check(t, run, 'the network goes');
  assert.equal(await server.metric('recoveries_total{result="failed"}'), 0);
  const peak = server.memory('VmHWM');

  run.drop();
  await server.kill();
  await server.start();
  await run.allMissOne();
  for (const client of run.clients) client.prepare(server);
  await check(t, run, 'the server dies');
  await run.finish();
  t.diagnostic(
    `${run.posted.reduce((sum, count) => sum + count)} events, ${run.recovered} of them recovered; ` +
      `the server took ${calm} KiB before, ${peak} KiB in the first storm, ${server.memory('VmHWM')} KiB in the second`,
  );
  assert.ok(run.recovered >= USERS);
  if (!short)
    for (const most of [peak, server.memory('VmHWM')]) assert.ok(most - calm < MEMORY_MAX_KIB, `${most} KiB`);
  run.destroy();
});
