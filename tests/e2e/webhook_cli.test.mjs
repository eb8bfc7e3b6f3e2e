// SPDX-License-Identifier: Apache-2.0
// The webhook commands as scripts use them, and `orderwire listen` before a developer's own handler.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Project } from './lib/api.mjs';
import { ask, Listen, run } from './lib/commands.mjs';
import { until } from './lib/events.mjs';
import { Proxy } from './lib/proxy.mjs';
import { Receiver } from './lib/receiver.mjs';
import { serverTest, step } from './lib/server.mjs';
import { signStandard, signXsolla } from './lib/webhooks.mjs';

/** A project that may call this machine. */
async function localProject(server) {
  const project = await Project.create(server);
  await project.change({ webhook_allow_cidrs: ['127.0.0.0/8'], webhook_secret: server.secret(SECRET) });
  return project;
}

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

serverTest('the commands of webhooks', {}, async (server, t) => {
  const project = await localProject(server);
  const receiver = await Receiver.open(server);
  const inProject = ['--project', String(project.id)];
  const webhook = (...words) => ask(server, ['webhook', ...words, ...inProject]);
  const json = async (...words) => JSON.parse(await webhook(...words, '--json'));
  const refused = (code, ...words) => ask(server, ['webhook', ...words, ...inProject], { code });

  await step(t, server, 'made, listed, shown, changed', async () => {
    const made = await json('add', receiver.url, '--status', 'paid', '--status', 'done', '--timeout', '2s',
      '--schedule', '100ms', '--max-age', '1d', '--description', 'tienda ñ', '--concurrency', '3');
    server.secret(made.secret);
    assert.match(made.secret, /^whsec_/);
    assert.deepEqual(
      [made.id, made.url, made.preset, made.statuses, made.timeout, made.schedule, made.max_age, made.concurrency],
      [1, receiver.url, 'standard', ['paid', 'done'], 2, [0.1], 86400, 3]);
    const file = path.join(server.data, 'secret');
    await writeFile(file, `${server.secret('xsolla-secret-of-mine')}\n`);
    assert.match(await webhook('add', `${receiver.origin}/xsolla`, '--preset', 'xsolla', '--secret', `@${file}`),
      /secret +xsolla-secret-of-mine\nKeep the secret/);
    assert.deepEqual((await json('list')).webhooks.map((one) => one.id), [1, 2]);
    assert.match(await webhook('list'), /^id +state +preset +statuses +url\n1 +active +standard .*\n2 +active +xsolla /);
    const changed = await json('set', '1', '--rate', '9', '--status=', '--description=');
    assert.deepEqual([changed.rate, changed.statuses.length, changed.description, changed.timeout], [9, 4, '', 2]);
    assert.deepEqual(await json('show', '1'), changed);
  });

  await step(t, server, 'refused in words', async () => {
    assert.match(await refused(1, 'add', 'http://10.0.0.1/'), /^orderwire: URL: 10\.0\.0\.1 is/);
    assert.match(await refused(1, 'add', receiver.url, '--preset', 'other'), /preset/);
    assert.match(await refused(1, 'show', '99'), /Webhook not found/);
    assert.match(await refused(1, 'retry', '99'), /Delivery not found/);
    assert.match(await refused(64, 'set', '1'), /nothing to set/);
    assert.match(await refused(64, 'show', 'x'), /ID: expected/);
    assert.match(await refused(64, 'replay', '1'), /--since or --show/);
    assert.match(await refused(64, 'replay', '1', '--since', 'yesterday'), /--since: expected/);
    assert.match(await refused(64, 'add', receiver.url, '--schedule', '5'), /--schedule: expected/);
  });

  await step(t, server, 'tried with an example', async () => {
    assert.match(await webhook('deliveries', '--state', 'dead'), /^No deliveries\.\n$/);
    assert.match(await webhook('test', '1'), /state +delivered\n[^]*\n1 +.* 200 +127\.0\.0\.1:/);
    const { id, json: body } = await receiver.find((one) => one.json.type === 'order.paid');
    assert.equal(body.data.custom_parameters.example, true);
    receiver.script = { status: 500 };
    assert.match(await refused(1, 'test', '1', '--status', 'done'), /has not been delivered/);
    receiver.script = {};
    const example = (await json('deliveries', '--webhook', '1', '--state', 'delivered')).deliveries.at(-1);
    assert.equal(example.message_id, id);
  });

  await step(t, server, 'a new secret signs beside the old one', async () => {
    const first = server.secret((await json('rotate', '1', '--overlap', '0')).secret);
    const second = server.secret((await json('rotate', '1', '--overlap', '2h')).secret);
    await webhook('test', '1');
    const last = receiver.all.at(-1);
    assert.equal(last.headers['webhook-signature'], `${signStandard(last, second)} ${signStandard(last, first)}`);
    const given = server.secret('whsec_bXkgb3duIHNlY3JldCBvZiAyNCBieXRlcyE=');
    assert.equal((await json('rotate', '1', '--overlap', '0', '--secret', given)).secret, given);
    await webhook('test', '1');
    assert.equal(receiver.all.at(-1).headers['webhook-signature'], signStandard(receiver.all.at(-1), given));
  });

  await step(t, server, 'paused, resumed, retried, replayed', async () => {
    await webhook('delete', '2');
    await webhook('pause', '1');
    const { order_id: order } = await project.create('u1');
    const held = (await json('deliveries', '--order', String(order))).deliveries;
    assert.deepEqual(held.map((one) => [one.type, one.state, one.attempt_count]), [['order.new', 'waiting', 0]]);
    assert.match(await refused(1, 'test', '1'), /the webhook is paused/);
    assert.match(await webhook('resume', '1'), /state +active/);
    const id = String(held[0].id);
    const read = (state) => until(async () => {
      const one = await json('deliveries', id);
      return one.state === state && one;
    }, `the delivery to be ${state}`);
    assert.equal((await read('delivered')).attempts.length, 1);
    await webhook('retry', id);
    await until(async () => (await json('deliveries', id)).attempts.length === 2, 'the second attempt');
    await read('delivered');
    receiver.script = { status: 404, body: `no\n\u001b[31mway ${'x'.repeat(300)}` };
    await webhook('retry', id);
    assert.deepEqual((await read('dead')).attempts.map((one) => one.status), [200, 200, 404, 404]);
    assert.match(await webhook('deliveries', id), /\n4 .*\n {3}no\\n\\x1b\[31mway x{188}\.\.\.\n$/);
    receiver.script = {};
    const { replay_id: replay } = await json('replay', '1', '--since', '1h');
    const done = await until(async () => {
      const one = await json('replay', '1', '--show', String(replay));
      return one.finished && one;
    }, 'the end of the replay');
    assert.ok(done.replayed >= 1, 'examples that failed go too');
    assert.equal((await read('delivered')).attempts.length, 5);
    assert.equal(receiver.ofOrder(order).every((one) => one.id === held[0].message_id), true);
    assert.match(await ask(server, ['order', 'get', String(order), ...inProject]), /order\.new +1 +delivered +5 /);
    assert.match(await webhook('deliveries', '--limit', '1'), /More: --cursor /);
    await webhook('pause', '1');
    const { order_id: last } = await project.create('u1');
    const [unsent] = (await json('deliveries', '--order', String(last))).deliveries;
    assert.match(await webhook('deliveries', String(unsent.id)), /\n\nIt has not been tried yet\.\n$/);
    await webhook('delete', '1');
    await until(async () => (await json('deliveries', String(unsent.id))).state === 'dead', 'the end of the delivery');
    const shown = await webhook('deliveries', String(unsent.id));
    assert.match(shown, /\n\nIt was never tried: its webhook was deleted\.\n$/);
    assert.doesNotMatch(shown, /^attempts/m);
    assert.match(await webhook('list'), /^There is no webhook\./);
  });
  receiver.check();
});

serverTest('listen brings webhooks to a local handler', {}, async (server, t) => {
  const project = await localProject(server);
  const receiver = await Receiver.open(server);
  const forward = ['--forward-to', receiver.url, '--json'];

  await step(t, server, 'signed, to the byte, a line each, and Ctrl-C ends it with 0', async () => {
    const listen = await Listen.open(server, project, forward);
    const { order_id: order } = await project.create('u1');
    await project.set(order, 'paid');
    await project.set(order, { content: { items: [] } });
    await project.set(order, { status: 'canceled', cancel_reason: 'refund' });
    for (const [seq, status] of [[1, 'new'], [2, 'paid'], [4, 'canceled']]) {
      const line = await listen.line();
      assert.deepEqual([line.type, line.order_id, line.status, line.answer], [`order.${status}`, order, status, 200]);
      assert.ok(line.ms > 0 && Date.parse(line.time) > 0);
      const received = await receiver.find((one) => one.id === line.id);
      assert.equal(received.seq, seq);
      assert.equal(received.headers['webhook-signature'], signStandard(received, SECRET));
      assert.equal(received.headers['content-type'], 'application/json');
      assert.equal(received.headers.accept, undefined);
    }
    assert.equal(await listen.interrupt(), 0);
  });

  await step(t, server, 'a whole order life of the xsolla preset', async () => {
    const before = receiver.all.length;
    const listen = await Listen.open(server, project, [...forward, '--preset', 'xsolla', '--trigger']);
    const types = [];
    for (let i = 0; i < 3; i++) types.push((await listen.line()).type);
    assert.deepEqual(types, ['order_paid', 'order_paid', 'order_canceled']);
    for (const one of receiver.all.slice(before)) assert.equal(one.headers.authorization, signXsolla(one, SECRET));
    assert.equal(await listen.interrupt('SIGTERM'), 0);
  });

  await step(t, server, 'a handler that fails, or is not there, is told of', async () => {
    receiver.script = [{ status: 500 }, { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, { raw: async (socket) => socket.destroy() }, {}];
    const listen = await Listen.open(server, project, [...forward, '--trigger']);
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push(await listen.line());
    assert.deepEqual(answers.map((line) => line.answer), [500, 302, undefined, 200, 200, 200]);
    assert.match(answers[2].error, /\w/);
    assert.equal(await listen.interrupt(), 0);
    const nobody = await Listen.open(server, project, ['--forward-to', 'http://127.0.0.1:1/', '--trigger']);
    assert.match(await nobody.lines.next(), /^\S+Z  order\.new +order \d+ +new .*connect.* ms$/i);
    nobody.close();
  });

  await step(t, server, 'it comes back after a restart', async () => {
    const proxy = await Proxy.open(server);
    const listen = await Listen.open(server, project, forward, { url: `http://127.0.0.1:${proxy.port}` });
    await server.kill();
    await listen.said.find((line) => line.includes('connecting again'), 'the end of the stream');
    await server.start();
    await listen.listening();
    const { order_id: order } = await project.create('u2');
    assert.equal((await listen.line()).order_id, order);
    assert.equal(await listen.interrupt(), 0);
  });

  await step(t, server, 'refused in words', async () => {
    const listen = (words, code) => ask(server, ['listen', ...words], { code });
    const inProject = ['--project', String(project.id)];
    assert.match(await listen([...inProject], 64), /--forward-to is missing/);
    assert.match(await listen([...inProject, '--forward-to', 'localhost:3000'], 64), /--forward-to: expected a URL/);
    assert.match(await listen([...inProject, ...forward, '--preset', 'other'], 64), /--preset: expected/);
    assert.match(await listen(['--project', '5', ...forward], 1), /Project not found/);
  });
  receiver.check();
});
