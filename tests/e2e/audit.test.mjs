// SPDX-License-Identifier: Apache-2.0
// The record of who did what: one line an action, in the log and in a file of its own. And secrets, which
// are told once, by the answer that makes them, and stand nowhere else.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { call, command, Project } from './lib/api.mjs';
import { until } from './lib/events.mjs';
import { binary, cleanEnvironment, serverTest, step } from './lib/server.mjs';

const run = promisify(execFile);

async function auditLines(server, name = 'audit.log') {
  const text = await readFile(path.join(server.data, name), 'utf8');
  assert.ok(text === '' || text.endsWith('\n'));
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

const asAdmin = (server, method, address, body) =>
  call(`${server.url}${address}`, { method, body, headers: { authorization: `Bearer ${server.adminKey}` } });

serverTest('each action is a line', { 'log.format': 'json' }, async (server, t) => {
  const project = await Project.create(server);
  const [first] = (await asAdmin(server, 'GET', '/admin/v1/projects/77640/keys')).json.keys;
  const webhook = await project.webhook({ url: 'https://shop.example/hook?token=in-the-query' });
  const key = (await asAdmin(server, 'POST', '/admin/v1/projects/77640/keys', { label: 'ci' })).json;
  server.secret(key.api_key);

  const actions = [
    ['project.set', 'admin', 'strict,verifiers', 200, () =>
      project.change({ strict: true, verifiers: [{ type: 'hs512', secret: server.secret('a secret of a verifier') }] })],
    ['project.set', 'admin', undefined, 422, () =>
      asAdmin(server, 'PATCH', '/admin/v1/projects/77640', { user_token_secret: 'short' })],
    ['project.create', 'admin', 'project 77640', 409, () => asAdmin(server, 'POST', '/admin/v1/projects', { project_id: 77640 })],
    ['project.rotate', 'admin', undefined, 200, async () => {
      server.secret((await asAdmin(server, 'POST', '/admin/v1/projects/77640/rotate')).json.user_token_secret);
    }],
    ['token.create', 'admin', 'u1', 201, async () => {
      const { json } = await asAdmin(server, 'POST', '/admin/v1/projects/77640/tokens', { user_external_id: 'u1' });
      server.secret(json.token);
    }],
    ['token.revoke', `key ${first.key_id}`, 'u1', 200, () => project.request('POST', '/revoke', { user_external_id: 'u1' })],
    ['token.revoke', `key ${first.key_id}`, 'all users', 200, () => project.request('POST', '/revoke', { all_users: true })],
    ['webhook.set', `key ${first.key_id}`, undefined, 200, () => project.request('PATCH', `/webhooks/${webhook.id}`, { rate: 5 })],
    ['webhook.pause', `key ${first.key_id}`, undefined, 200, () => project.request('POST', `/webhooks/${webhook.id}/pause`)],
    ['webhook.resume', `key ${first.key_id}`, undefined, 200, () => project.request('POST', `/webhooks/${webhook.id}/resume`)],
    ['webhook.rotate', `key ${first.key_id}`, undefined, 200, async () => {
      server.secret((await project.command(`/webhooks/${webhook.id}/rotate`)).secret);
    }],
    ['webhook.replay', `key ${first.key_id}`, undefined, 202, () =>
      project.request('POST', `/webhooks/${webhook.id}/replay`, { since: '2026-01-01T00:00:00Z' })],
    ['webhook.delete', `key ${first.key_id}`, undefined, 204, () => project.request('DELETE', `/webhooks/${webhook.id}`)],
    ['key.delete', 'admin', undefined, 204, () => asAdmin(server, 'DELETE', `/admin/v1/projects/77640/keys/${key.key_id}`)],
    ['key.delete', 'admin', undefined, 404, () => asAdmin(server, 'DELETE', `/admin/v1/projects/77640/keys/${key.key_id}`)],
  ];

  await step(t, server, 'what was made so far', async () => {
    const lines = await auditLines(server);
    assert.deepEqual(
      lines.map(({ level, message, who, object, status }) => [level, message, who, object, status]),
      [
        ['audit', 'project.create', 'admin', 'project 77640', 201],
        ['audit', 'webhook.create', `key ${first.key_id}`, `webhook ${webhook.id}`, 201],
        ['audit', 'key.create', 'admin', key.key_id, 201],
      ],
    );
    for (const line of lines) {
      assert.equal(line.address, '127.0.0.1');
      assert.match(line.transaction, /^[0-9a-f]{16}$/);
      assert.ok(Date.parse(line.time) > 0);
    }
    assert.equal((await stat(path.join(server.data, 'audit.log'))).mode & 0o777, 0o600);
  });

  for (const [message, who, object, status, act] of actions) {
    await step(t, server, `${message} ${status}`, async () => {
      const before = (await auditLines(server)).length;
      await act();
      const lines = (await auditLines(server)).slice(before);
      assert.deepEqual(lines.map((line) => [line.message, line.who, line.object, line.status]), [[message, who, object, status]]);
    });
  }

  await step(t, server, 'who is not let in, who only looks, and orders leave no line', async () => {
    const before = (await auditLines(server)).length;
    await call(`${server.url}/admin/v1/projects`, { method: 'POST', body: {}, headers: { authorization: 'Bearer wrong' } });
    await call(`${server.url}/server/v1/project/77640/revoke`, { method: 'POST', body: {} });
    await asAdmin(server, 'GET', '/admin/v1/projects');
    await project.create('u1', { order_id: 1 });
    assert.equal((await auditLines(server)).length, before);
  });

  await step(t, server, 'the log has the same lines, whatever its level', async () => {
    const inLog = server.log.split('\n').filter((line) => line.includes('"level":"audit"'));
    assert.equal(inLog.length, (await auditLines(server)).length);
  });

  await step(t, server, 'reload and backup; a file that was moved is made anew', async () => {
    await rename(path.join(server.data, 'audit.log'), path.join(server.data, 'audit.log.1'));
    server.reload();
    await until(async () => (await auditLines(server).catch(() => [])).length > 0, 'a line in the new file');
    await command(server, 'project', 'set', '77640', '--strict', 'false');
    await run(binary, ['backup', path.join(server.data, 'copy.db'), '--data', server.data], { env: cleanEnvironment() });
    assert.deepEqual(
      (await auditLines(server)).map(({ message, who, result, status }) => [message, who, result ?? status]),
      [
        ['config.reload', 'signal', 'done'],
        ['project.set', 'admin', 200],
        ['backup', `uid ${process.getuid()}`, 'done'],
      ],
    );
  });
});

serverTest('secrets are told once and stand nowhere else', { 'log.format': 'json' }, async (server, t) => {
  const marks = new Set();
  const mark = (name) => {
    const text = `marker-${name}-${'x'.repeat(16)}`;
    marks.add(text);
    return server.secret(text);
  };
  const keep = (text) => {
    assert.ok(text.length > 8);
    marks.add(text);
    return server.secret(text);
  };
  const outputs = [];
  /** What a command prints on both streams, whatever becomes of it. */
  const cli = async (...words) => {
    const options = { env: cleanEnvironment() };
    const { stdout, stderr } = await run(binary, [...words, '--server', server.url, '--data', server.data], options).catch((error) => error);
    outputs.push([words.join(' '), `${stdout}${stderr}`]);
    return stdout;
  };
  const request = async (...words) => {
    const answer = await asAdmin(server, ...words);
    outputs.push([words.slice(0, 2).join(' '), `${answer.text}${JSON.stringify([...answer.headers])}`]);
    return answer;
  };
  keep(server.adminKey);

  await step(t, server, 'all that makes a secret tells it, this once', async () => {
    const made = JSON.parse(await command(server, 'project', 'create', '77640', '--json'));
    for (const name of ['api_key', 'user_token_secret', 'webhook_secret']) keep(made[name]);
    keep(JSON.parse(await command(server, 'project', 'key', '77640', '--label', 'ci', '--json')).api_key);
    keep(JSON.parse(await command(server, 'project', 'rotate', '77640', '--json')).user_token_secret);
    keep((await command(server, 'token', '--project', '77640', '--user', 'u1')).trim());
    keep(JSON.parse(await command(server, 'order', 'create', '--project', '77640', '--user', 'u1', '--order-id', '1', '--json')).token);
    keep(JSON.parse(await command(server, 'webhook', 'add', 'https://shop.example/hook', '--project', '77640', '--json')).secret);
    keep(JSON.parse(await command(server, 'webhook', 'rotate', '1', '--project', '77640', '--json')).secret);
  });

  await step(t, server, 'those that are given are taken in silence', async () => {
    const file = path.join(server.data, 'given');
    await writeFile(file, mark('webhook'), { mode: 0o600 });
    await cli('webhook', 'add', 'https://shop.example/x', '--project', '77640', '--preset', 'xsolla', '--secret', `@${file}`);
    outputs.pop(); // A webhook that is made tells its secret, given or not.
    const settings = { user_token_secret: mark('user-token'), webhook_secret: mark('project-webhook'),
      verifiers: [{ type: 'hs256', secret: mark('hs256') }, { type: 'hs512', secret: mark('hs512') }] };
    assert.equal((await request('PATCH', '/admin/v1/projects/77640', settings)).status, 200);
    await cli('project', 'set', '77640', '--json-settings', JSON.stringify(settings));
  });

  await step(t, server, 'refusals do not repeat what was sent', async () => {
    const bad = [
      { user_token_secret: mark('in-a-list').split() },
      { verifiers: [{ type: 'hs256', secret: mark('with-keys'), keys: [] }] },
      { verifiers: [{ type: mark('type').slice(0, 20), secret: mark('odd-type') }] },
      { [mark('name')]: mark('value') },
    ];
    marks.delete([...marks].find((text) => text.includes('marker-name')));
    for (const settings of bad) assert.equal((await request('PATCH', '/admin/v1/projects/77640', settings)).status, 422);
    const cut = await request('PATCH', '/admin/v1/projects/77640', `{"user_token_secret":"${mark('cut')}`);
    assert.equal(cut.status, 400);
    const junk = await request('PATCH', '/admin/v1/projects/77640', `{"user_token_secret":"${mark('junk')}" ${mark('after')}}`);
    assert.equal(junk.status, 400);
    for (const authorization of [`Bearer ${mark('bearer')}`, `Basic ${Buffer.from(`77640:${mark('basic')}`).toString('base64')}`]) {
      for (const address of ['/admin/v1/projects', '/server/v1/project/77640/orders', '/api/v2/project/77640/order/1']) {
        const answer = await call(`${server.url}${address}?token=${mark('query')}`, { headers: { authorization } });
        assert.equal(answer.status, 401, address);
        outputs.push([address, answer.text]);
      }
    }
  });

  await step(t, server, 'nothing shows them again', async () => {
    await cli('project', 'list');
    await cli('project', 'show', '77640', '--json');
    await cli('project', 'key', '77640', '--list', '--json');
    await cli('webhook', 'list', '--project', '77640', '--json');
    await cli('webhook', 'show', '1', '--project', '77640', '--json');
    await cli('webhook', 'set', '1', '--project', '77640', '--rate', '3', '--json');
    await cli('order', 'get', '1', '--project', '77640', '--json');
    await cli('webhook', 'deliveries', '--project', '77640', '--json');
    await cli('user', 'revoke', 'u1', '--project', '77640', '--json');
    await cli('check-config', '--set', 'log.level=debug');
    server.reload();
    await until(async () => (await auditLines(server)).some(({ message }) => message === 'config.reload'), 'the reload');
    outputs.push(['/metrics', await (await fetch(`${server.url}/metrics`)).text()]);
    outputs.push(['audit.log', await readFile(path.join(server.data, 'audit.log'), 'utf8')]);
    outputs.push(['the log', server.log]);
    assert.ok(marks.size > 20);
    for (const [name, text] of outputs)
      for (const secret of marks) assert.equal(text.includes(secret), false, `${name} holds ${secret}`);
  });
});
