// SPDX-License-Identifier: Apache-2.0
// The commands of a merchant's developer, who has the project's API key and nothing else.
import assert from 'node:assert/strict';
import { command, Project } from './lib/api.mjs';
import { Listen, run } from './lib/commands.mjs';
import { Receiver } from './lib/receiver.mjs';
import { serverTest, step } from './lib/server.mjs';

const NOWHERE = '/nowhere'; // without an admin.key
const WRONG = `owk_${'0'.repeat(40)}`;
const HINT = "(the API key in ORDERWIRE_API_KEY is not one of this project's?)";
const REFUSED = /^orderwire: \[0401-1020\][^\n]*\n\(the API key in ORDERWIRE_API_KEY is not one of this project's\?\)\n$/;

/** Runs a command in the project with these variables, and no data directory. */
async function ask(project, words, environment) {
  const { url } = project.server;
  const answer = await run([...words, '--project', String(project.id), '--server', url, '--data', NOWHERE], environment);
  for (const secret of Object.values(environment).filter((one) => one !== ''))
    assert.ok(!(answer.stdout + answer.stderr).includes(secret), `${words.join(' ')}: a key was printed`);
  return answer;
}

async function assertDone(project, words, environment) {
  const { code, stderr } = await ask(project, words, environment);
  assert.deepEqual([code, stderr], [0, ''], words.join(' '));
}

async function assertFails(project, words, environment, told) {
  const { code, stderr } = await ask(project, words, environment);
  assert.equal(code, 1, words.join(' '));
  assert.match(stderr, told, words.join(' '));
}

serverTest("a merchant's commands with the API key alone", {}, async (server, t) => {
  const project = await Project.withWebhooks(server);
  const other = await Project.create(server, 77641);
  const receiver = await Receiver.open(server);
  const key = { ORDERWIRE_API_KEY: project.key };
  const bad = [{ ORDERWIRE_API_KEY: WRONG }, { ORDERWIRE_API_KEY: other.key }];
  server.secret(Buffer.from(`${project.id}:${project.key}`).toString('base64'));

  for (const words of [
    ['order', 'create', '--user', 'u1', '--order-id', '1'],
    ['order', 'get', '1'],
    ['order', 'list'],
    ['order', 'set', '1', 'paid'],
    ['webhook', 'add', receiver.url],
    ['webhook', 'list'],
    ['webhook', 'show', '1'],
    ['webhook', 'set', '1', '--rate', '9'],
    ['webhook', 'test', '1'],
    ['webhook', 'deliveries'],
    ['webhook', 'deliveries', '1'],
    ['webhook', 'retry', '1'],
    ['webhook', 'replay', '1', '--since', '1h'],
    ['webhook', 'rotate', '1'],
    ['webhook', 'pause', '1'],
    ['webhook', 'resume', '1'],
    ['webhook', 'delete', '1'],
    ['user', 'revoke', 'u1'],
  ]) {
    await step(t, server, words.join(' '), async () => {
      for (const environment of bad) await assertFails(project, words, environment, REFUSED);
      await assertDone(project, words, key);
    });
  }

  await step(t, server, 'listen', async () => {
    const words = ['--forward-to', receiver.url, '--json', '--trigger'];
    for (const environment of bad) await assertFails(project, ['listen', ...words], environment, REFUSED);
    const listen = await Listen.open(server, project, words, { data: NOWHERE, environment: key });
    assert.equal((await listen.line()).type, 'order.new');
    assert.equal(await listen.interrupt(), 0);
  });

  await step(t, server, "a key of the merchant opens its projects, and its end ends listen's stream", async () => {
    const made = JSON.parse(await command(server, 'project', 'key', '77640', '--merchant-wide', '--json'));
    const environment = { ORDERWIRE_API_KEY: server.secret(made.api_key) };
    await assertDone(project, ['order', 'list'], environment);
    const listen = await Listen.open(server, project, ['--forward-to', receiver.url], { data: NOWHERE, environment });
    await command(server, 'project', 'key', '77640', '--delete', made.key_id);
    await project.create('u2');
    await listen.said.find((line) => line === HINT, 'the hint at the key');
    assert.equal(await listen.interrupt(), 0);
  });

  await step(t, server, 'beside the admin key, and without one', async () => {
    const admin = { ORDERWIRE_ADMIN_KEY: server.adminKey };
    const list = ['order', 'list'];
    await assertDone(project, list, { ...key, ORDERWIRE_ADMIN_KEY: 'owa_wrong_wrong_wrong' });
    await assertFails(project, list, { ...admin, ...bad[0] }, REFUSED);
    await assertDone(project, list, { ...admin, ORDERWIRE_API_KEY: '' });
    await assertFails(project, list, {}, /say where with --data, or set ORDERWIRE_ADMIN_KEY or ORDERWIRE_API_KEY\n$/);
    await assertFails(project, list, { ORDERWIRE_API_KEY: `${project.key}\n` }, /^orderwire: ORDERWIRE_API_KEY: this is no API key\n$/);
    assert.match((await run(['order', 'list', '--server', server.url], key)).stderr, /^orderwire: --project is missing\n/);
  });

  await step(t, server, "the operator's commands want the operator's key", async () => {
    const list = ['project', 'list', '--server', server.url, '--data', NOWHERE];
    assert.match((await run(list, key)).stderr, /^orderwire: the admin key: [^\n]*, or set ORDERWIRE_ADMIN_KEY\n$/);
    assert.equal((await run(list, { ...bad[0], ORDERWIRE_ADMIN_KEY: server.adminKey })).code, 0);
    await assertFails(project, ['token', '--user', 'u1'], key, /^orderwire: the admin key: /);
  });
});
