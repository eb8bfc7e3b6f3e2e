// SPDX-License-Identifier: Apache-2.0
// TLS by the thousand: what an idle connection takes, and clients that want the server's memory or time before they
// have shown anything.
import assert from 'node:assert/strict';
import { Project } from './lib/api.mjs';
import { crowd, Intruder, withstand } from './lib/attack.mjs';
import { deferred, short, until, within } from './lib/events.mjs';
import { LightConnection } from './lib/light.mjs';
import { frame, handshake } from './lib/raw.mjs';
import { step } from './lib/server.mjs';
import { clientHello, TLS12, TLS13, tlsTest } from './lib/tls.mjs';

const IDLE = short ? 200 : 2_000;
const AT_ONCE = 50;
/* OpenSSL's own structs are 13.4 KiB of it. */
const IDLE_MAX = 20 * 1024;
const HALF_OPEN = short ? 500 : 10_000;
/* What `check-config` counts for a connection of TLS. */
const HALF_OPEN_MAX = 52 * 1024;
const QUIET = { 'log.level': 'warning' };
const FAILED = 'tls_handshakes_total{result="failed"}';

/** A buyer's connection that has been told that it is one. */
async function subscribe(server, project, user) {
  const data = { auth: project.token(user), project_id: project.id };
  const connect = frame(JSON.stringify({ connect: { data }, id: 1 }));
  const told = deferred();
  const link = new LightConnection(server, Buffer.concat([Buffer.from(handshake(server).bytes), connect]), {
    message: told.resolve,
    failed: told.reject,
  });
  await within(told.promise, `the connection of ${user}`);
  return link;
}

async function subscribeAll(server, project) {
  const links = [];
  server.own({ close: () => links.forEach((link) => link.destroy()) });
  while (links.length < IDLE)
    links.push(...(await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => subscribe(server, project, `user-${links.length + i}`)))));
  return links;
}

tlsTest('idle connections', QUIET, async (server, _, t) => {
  const project = await Project.create(server);
  (await subscribe(server, project, 'first')).destroy();
  const empty = server.memory('RssAnon');
  const taken = [];
  for (let wave = 0; wave < 3; wave++) {
    const links = await subscribeAll(server, project);
    taken.push(Math.round(((server.memory('RssAnon') - empty) * 1024) / IDLE));
    links.forEach((link) => link.destroy());
    await until(async () => (await server.metric('sessions')) === 0, 'the end of all');
  }
  t.diagnostic(`${IDLE} connections, three times: ${taken.join(', ')} bytes for each`);
  if (short) return;
  assert.ok(taken[0] <= IDLE_MAX, `${taken[0]} bytes for each`);
  assert.ok(taken[2] <= 1.1 * taken[0], `what is left behind is used again: ${taken.join(', ')}`);
  const isGivenBack = () => server.memory('RssAnon') - empty < (IDLE * IDLE_MAX) / 4 / 1024;
  await until(isGivenBack, 'memory to be given back', 20_000);
});

tlsTest('hostile handshakes', { ...QUIET, 'tls.handshake_timeout': '60s' }, async (server, _, t) => {
  const project = await Project.create(server);
  const ciphers = [0xc02b, 0x1301];
  for (const version of [TLS12, TLS13]) {
    const hello = clientHello({ version, ciphers });
    await step(t, server, `half of one, ${version === TLS12 ? '1.2' : '1.3'}`, async () => {
      const attack = async () => {
        const intruders = await crowd(server, HALF_OPEN, hello);
        for (const one of intruders) await until(() => one.text, 'half of an answer');
        return () => intruders.forEach((one) => one.destroy());
      };
      t.diagnostic(await withstand(server, project, attack, { memory: (HALF_OPEN * HALF_OPEN_MAX) / 1024 }));
    });
    await step(t, server, `500 a second that are left, ${version === TLS12 ? '1.2' : '1.3'}`, async () => {
      const attack = async () => {
        const seen = await server.metric(FAILED);
        const timer = setInterval(() => {
          const some = Array.from({ length: 20 }, () => new Intruder(server, hello));
          some.forEach((one) => one.tcp.once('data', () => one.destroy()));
        }, 40);
        return async () => {
          clearInterval(timer);
          assert.ok((await server.metric(FAILED)) > seen);
        };
      };
      t.diagnostic(await withstand(server, project, attack));
    });
  }
  await until(async () => (await server.metric('connections')) < 10, 'all of them to be gone');
});
