// SPDX-License-Identifier: Apache-2.0
// Users' tokens revoked: what they opened ends on every worker, and they open nothing any more.
import assert from 'node:assert/strict';
import { call, command, Project } from './lib/api.mjs';
import { setImmediate as turn } from 'node:timers/promises';
import { random, seed, short, until } from './lib/events.mjs';
import { now } from './lib/jwt.mjs';
import { Page } from './lib/page.mjs';
import { serverTest, step } from './lib/server.mjs';

const revoke = (project, body) => project.request('POST', '/revoke', body);

/** An HTTP stream of a user, opened and ended by the server. */
async function openStream(project, token) {
  const response = await fetch(`${project.server.url}/connection/uni_http_stream?project_id=${project.id}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  assert.equal(response.status, 200);
  return response;
}

serverTest('a user is revoked', { workers: 3 }, async (server, t) => {
  const project = await Project.create(server);
  const other = await Project.create(server, 2);
  const { token: payment } = await project.create('u1', { order_id: 1 });
  await project.create('u2', { order_id: 2 });
  const old = project.token('u1', { iat: now() - 60 });
  const page = (user, auth, options) =>
    server.own(new Page(server, { auth, project_id: project.id }, options));
  // Enough that every worker has some.
  const pages = Array.from({ length: 12 }, () => page('u1', old));
  const bystanders = [page('u2', project.token('u2', { iat: now() - 60 }))];
  const protobuf = page('u1', old, { protobuf: true });
  const paid = page('u1', payment);
  const ahead = page('u1', project.token('u1', { iat: now() + 4 }));
  for (const one of [...pages, ...bystanders, protobuf, paid, ahead]) await one.connected.next('a connection');
  const stream = await openStream(project, old);
  const tag = (await project.getOrder(1, old)).headers.get('etag');
  const held = project.getOrder(1, old, { query: '?wait=50', headers: { 'if-none-match': tag } });
  const heldByOther = project.getOrder(2, project.token('u2'), { query: '?wait=50', headers: { 'if-none-match': tag } });

  await step(t, server, 'bad requests change nothing', async () => {
    for (const [body, sentence] of [
      [{}, /user_external_id, or all_users/],
      [{ user_external_id: 'u1', all_users: true }, /not both/],
      [{ user_external_id: 'u1', before: '2100-01-01T00:00:00Z' }, /future/],
      [{ user_external_id: 'u1', before: '1970-01-01T00:00:00Z' }, /1970/],
      [{ user: 'u1' }, /unknown field/],
      [{ user_external_id: 'u1', before: 'now' }, /before/],
    ]) {
      const answer = await revoke(project, body);
      assert.equal(answer.status, 422, answer.text);
      assert.match(answer.json.errorMessage, sentence);
    }
    const stranger = await call(`${server.url}/server/v1/project/${project.id}/revoke`, {
      method: 'POST',
      body: { user_external_id: 'u1' },
      headers: { authorization: `Basic ${Buffer.from(`${other.id}:${other.key}`).toString('base64')}` },
    });
    assert.equal(stranger.status, 401);
  });

  await step(t, server, 'connections and held requests end, those of others do not', async () => {
    const answer = await revoke(project, { user_external_id: 'u1' });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(Object.keys(answer.json), ['user_external_id', 'before']);
    assert.ok(Math.abs(Date.parse(answer.json.before) - Date.now()) < 60_000);
    for (const one of [...pages, paid, ahead]) {
      const { code } = await one.disconnected.next('the end of a connection');
      assert.equal(code, 3500);
    }
    // The SDKs for Protobuf try again, in vain.
    assert.equal((await protobuf.connecting.find(({ code }) => code !== 0, 'the end of a connection')).code, 3499);
    assert.match(await stream.text(), /"disconnect":{"code":3500/);
    assert.equal((await held).status, 401);
  });

  await step(t, server, 'the tokens open nothing any more, newer ones do', async () => {
    for (const token of [old, payment, project.token('u1', { iat: undefined })])
      assert.equal((await project.getOrder(1, token)).status, 401);
    assert.equal((await project.getOrder(1, project.token('u1', { iat: now() + 2 }))).status, 200);
    assert.equal((await project.getOrder(2, project.token('u2', { iat: now() - 60 }))).status, 200);
    await project.set(2, 'paid');
    assert.equal((await heldByOther).status, 200);
    assert.equal((await bystanders[0].statuses.find(({ status }) => status === 'paid', 'paid')).order_id, 2);
  });

  await step(t, server, 'an order made later has a payment token that opens it', async () => {
    const { token } = await project.create('u1', { order_id: 3 });
    assert.equal((await project.getOrder(3, token)).status, 200);
  });

  await step(t, server, 'a restart forgets nothing', async () => {
    await server.stop();
    await server.start();
    assert.equal((await project.getOrder(1, old)).status, 401);
    assert.equal((await project.getOrder(1, project.token('u1', { iat: now() + 2 }))).status, 200);
  });
});

serverTest('tokens before a time, and all users', {}, async (server, t) => {
  const project = await Project.create(server);
  const other = await Project.create(server, 2);
  const statusOf = async (one, user, iat) => (await one.getOrder(1, one.token(user, { iat }))).status;
  await project.create('u1', { order_id: 1 });
  await other.create('u1', { order_id: 1 });

  await step(t, server, 'by the command line, an hour ago', async () => {
    const fresh = server.own(new Page(server, { auth: project.token('u1'), project_id: project.id }));
    await fresh.connected.next('a connection');
    const revoked = await command(server, 'user', 'revoke', 'u1', '--project', String(project.id), '--before', '1h');
    const again = await command(server, 'user', 'revoke', 'u1', '--project', String(project.id), '--before', '2h');
    assert.equal(again, revoked, 'the later time stays');
    const never = ['--before', '1970-01-01T00:00:00Z'];
    await assert.rejects(command(server, 'user', 'revoke', 'u1', '--project', String(project.id), ...never), /1970/);
    assert.equal(await statusOf(project, 'u1', now() - 7200), 401);
    assert.equal(await statusOf(project, 'u1', now() - 1800), 200);
    await project.set(1, 'paid');
    await fresh.statuses.find(({ status }) => status === 'paid', 'the connection still lives');
  });

  await step(t, server, 'all users of one project', async () => {
    const pages = [project, other].map((one) =>
      server.own(new Page(server, { auth: one.token('u1', { iat: now() - 60 }), project_id: one.id })),
    );
    for (const page of pages) await page.connected.next('a connection');
    const printed = await command(server, 'user', 'revoke', '--all', '--project', String(project.id));
    assert.match(printed, /all_users/);
    assert.equal((await pages[0].disconnected.next('the end')).code, 3500);
    assert.equal(await statusOf(project, 'u1', now() - 60), 401);
    assert.equal(await statusOf(other, 'u1', now() - 60), 200);
    await other.set(1, 'paid');
    await pages[1].statuses.find(({ status }) => status === 'paid', "the other project's connection");
    await until(async () => (await statusOf(project, 'u1', now())) === 200, 'a token made after that');
  });
});

/* Each project is a new one, so that its first revocation meets workers which look for none yet. */
serverTest('what begins while a revocation is on its way', { workers: 3 }, async (server, t) => {
  const next = random(seed);
  t.diagnostic(`ORDERWIRE_SEED=${seed}`);
  for (let round = 0; round < (short ? 5 : 20); round++) {
    const project = await Project.create(server, 100 + round);
    await project.create('u1', { order_id: 1 });
    const old = project.token('u1', { iat: now() - 60 });
    const tag = (await project.getOrder(1, old)).headers.get('etag');
    const held = () => project.getOrder(1, old, { query: '?wait=50', headers: { 'if-none-match': tag } });
    const begun = [];
    const begin = async () => {
      for (let i = 0; i < 8; i++) {
        const stream = openStream(project, old).then((response) => response.text());
        begun.push(stream.catch(String), held().catch(String));
        if (next() < 0.5) await turn();
      }
    };
    const beginning = begin();
    while (next() < 0.7) await turn();
    const answer = await revoke(project, next() < 0.5 ? { user_external_id: 'u1' } : { all_users: true });
    assert.equal(answer.status, 200, answer.text);
    const late = await project.getOrder(1, old);
    assert.equal(late.status, 401);
    await beginning;
    for (const end of await Promise.all(begun)) {
      if (end.status === undefined) assert.match(end, /"disconnect":{"code":3500/);
      else assert.equal(end.status, 401);
    }
  }
});
