// SPDX-License-Identifier: Apache-2.0
// Every key and secret replaced while the server runs, and nobody who should be let in is turned away.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { call, command, Project } from './lib/api.mjs';
import { until } from './lib/events.mjs';
import { hs256, userClaims } from './lib/jwt.mjs';
import { Page } from './lib/page.mjs';
import { Receiver } from './lib/receiver.mjs';
import { serverTest, step } from './lib/server.mjs';
import { verifyStandard } from './lib/webhooks.mjs';

const asAdmin = (server, method, address, body, key = server.adminKey) =>
  call(`${server.url}${address}`, { method, body, headers: { authorization: `Bearer ${key}` } });

serverTest("the secret of users' tokens", {}, async (server, t) => {
  const project = await Project.create(server);
  await project.create('u1', { order_id: 1 });
  const first = project.secret;
  const statusOf = async (secret) => (await project.getOrder(1, server.secret(hs256(userClaims('u1'), secret)))).status;

  await step(t, server, 'the old one serves too, and what it opened stays open', async () => {
    const page = server.own(new Page(server, { auth: project.token('u1'), project_id: project.id }));
    await page.connected.next('a connection');
    const made = JSON.parse(await command(server, 'project', 'rotate', String(project.id), '--overlap', '1h', '--json'));
    project.secret = server.secret(made.user_token_secret);
    assert.notEqual(project.secret, first);
    const left = Date.parse(made.previous_user_token_secret_until) - Date.now();
    assert.ok(left > 3_500_000 && left < 3_700_000, String(left));
    assert.deepEqual([await statusOf(first), await statusOf(project.secret)], [200, 200]);
    await project.set(1, 'paid');
    await page.statuses.find(({ status }) => status === 'paid', 'paid');
    const { json } = await asAdmin(server, 'GET', `/admin/v1/projects/${project.id}`);
    assert.equal(json.settings.previous_user_token_secret_until, made.previous_user_token_secret_until);
  });

  await step(t, server, 'each serves until its own end, however often one rotates', async () => {
    const second = project.secret;
    const { json } = await asAdmin(server, 'POST', `/admin/v1/projects/${project.id}/rotate`, { overlap: 0.5 });
    project.secret = server.secret(json.user_token_secret);
    await until(async () => (await statusOf(second)) === 401, 'the end of the overlap');
    assert.deepEqual([await statusOf(first), await statusOf(project.secret)], [200, 200]);
    const { settings } = (await asAdmin(server, 'GET', `/admin/v1/projects/${project.id}`)).json;
    assert.ok(settings.previous_user_token_secret_until < settings.earlier_user_token_secrets[0].until);
  });

  await step(t, server, 'a hard cut', async () => {
    const old = project.secret;
    const made = JSON.parse(await command(server, 'project', 'rotate', String(project.id), '--overlap', '0', '--json'));
    assert.deepEqual(Object.keys(made), ['user_token_secret']);
    assert.deepEqual([await statusOf(first), await statusOf(old), await statusOf(server.secret(made.user_token_secret))], [401, 401, 200]);
    const printed = await command(server, 'token', '--project', String(project.id), '--user', 'u1');
    assert.equal((await project.getOrder(1, server.secret(printed.trim()))).status, 200);
  });

  await step(t, server, 'bad requests', async () => {
    assert.equal((await asAdmin(server, 'POST', '/admin/v1/projects/9/rotate', {})).status, 404);
    assert.equal((await asAdmin(server, 'POST', `/admin/v1/projects/${project.id}/rotate`, { overlap: -1 })).status, 422);
    assert.equal((await project.request('POST', '/rotate', {})).status, 404);
  });
});

serverTest('API keys', {}, async (server) => {
  const project = await Project.create(server);
  const [{ key_id: first }] = (await asAdmin(server, 'GET', `/admin/v1/projects/${project.id}/keys`)).json.keys;
  const old = project.key;
  const made = JSON.parse(await command(server, 'project', 'key', String(project.id), '--label', 'next', '--json'));
  const statusOf = async (key) => {
    project.key = server.secret(key);
    return (await project.request('GET', '/orders')).status;
  };
  assert.deepEqual([await statusOf(old), await statusOf(made.api_key)], [200, 200]);
  await command(server, 'project', 'key', String(project.id), '--delete', first);
  assert.deepEqual([await statusOf(old), await statusOf(made.api_key)], [401, 200]);
});

serverTest("the operator's key", { workers: 3 }, async (server, t) => {
  const file = path.join(server.data, 'admin.key');
  const first = server.secret(server.adminKey);
  const statusOf = async (key) => (await asAdmin(server, 'GET', '/admin/v1/projects', undefined, key)).status;
  /** All workers have heard it when many connections in a row say so. */
  const rules = async (key, other) => {
    for (let i = 0; i < 12; i++) {
      const close = { headers: { authorization: `Bearer ${key}`, connection: 'close' } };
      if ((await call(`${server.url}/admin/v1/projects`, close)).status !== 200) return false;
      if ((await statusOf(other)) !== 401) return false;
    }
    return true;
  };

  await step(t, server, 'one that was put into the file', async () => {
    const second = server.secret('owa_a-key-of-the-operators-own-making');
    await writeFile(file, `${second}\n`, { mode: 0o600 });
    assert.equal(await statusOf(first), 200, 'until it is told');
    server.reload();
    await until(() => rules(second, first), 'the new key to rule');
  });

  await step(t, server, 'one that the server makes, for a file that is gone', async () => {
    const old = server.adminKey;
    await rm(file);
    server.reload();
    await until(() => stat(file).then(() => true, () => false), 'a new file');
    const third = server.secret(server.adminKey);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await until(() => rules(third, old), 'the new key to rule');
  });

  await step(t, server, 'a file that holds none changes nothing', async () => {
    const key = server.adminKey;
    await writeFile(file, 'short\n', { mode: 0o600 });
    server.reload();
    await until(() => server.log.includes('the admin key stays as it is'), 'a line of the log');
    assert.equal(await statusOf(key), 200);
  });
});

serverTest('the key of the secrets, as docs/operations.md does it', {}, async (server) => {
  const file = path.join(server.data, 'secrets.key');
  const guide = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, commands] = guide.match(/cd \/var\/lib\/orderwire && (.*secrets\.key)'/);
  const project = await Project.withWebhooks(server);
  const receiver = await Receiver.open(server);
  const webhook = await project.webhook({ url: receiver.url });
  const old = await readFile(file);
  execFileSync('sh', ['-c', commands], { cwd: server.data });
  const both = await readFile(file);
  assert.deepEqual([both.length, both.subarray(32)], [64, old]);
  for (const start of [1, 2]) {
    await server.stop();
    await server.start();
    assert.deepEqual(await readFile(file), both.subarray(0, 32));
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await project.create('u1', { order_id: start });
    await receiver.count(start);
  }
  for (const one of receiver.all) verifyStandard(one, webhook.secret);
  const audit = await readFile(path.join(server.data, 'audit.log'), 'utf8');
  assert.equal(audit.match(/"secrets_key.replace".*"webhooks":1\b/g).length, 1);
});
