// SPDX-License-Identifier: Apache-2.0
// The commands as scripts use them: what they print, their exit codes, and the operator's routes behind them.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { call, Project } from './lib/api.mjs';
import { ask, run } from './lib/commands.mjs';
import { deferred, until, within } from './lib/events.mjs';
import { binary, cleanEnvironment, serverTest, step } from './lib/server.mjs';

function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
}

/** `orderwire track`, running: its lines as they come, its exit code. */
class Track {
  #lines = [];
  #waiting = deferred();

  constructor(server, words) {
    this.child = spawn(binary, ['track', ...words, '--json', '--server', server.url, '--data', server.data], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.exited = once(this.child, 'exit').then(([code]) => code);
    let text = '';
    this.child.stdout.setEncoding('utf8').on('data', (bytes) => {
      text += bytes;
      this.#lines = text.split('\n').slice(0, -1).map((line) => JSON.parse(line));
      this.#waiting.resolve();
      this.#waiting = deferred();
    });
  }

  async statuses(count) {
    while (this.#lines.length < count) await within(this.#waiting.promise, `${count} lines of track`);
    return this.#lines.map(({ status }) => status);
  }

  end() {
    return within(this.exited, 'the end of track');
  }

  close() {
    this.child.kill('SIGKILL');
  }
}

serverTest('projects, keys and tokens', {}, async (server, t) => {
  const made = JSON.parse(await ask(server, ['project', 'create', '77640', '--json']));
  assert.deepEqual(Object.keys(made), ['project_id', 'merchant_id', 'api_key', 'user_token_secret', 'webhook_secret']);
  assert.deepEqual([made.project_id, made.merchant_id], [77640, 77640]);
  for (const name of ['api_key', 'user_token_secret', 'webhook_secret']) server.secret(made[name]);

  await step(t, server, 'settings are merged, shown without secrets, and refused when wrong', async () => {
    const file = path.join(server.data, 'settings.json');
    await writeFile(file, JSON.stringify({ verifiers: [{ type: 'hs256', secret: 'sixteen bytes and more of it' }] }));
    await ask(server, ['project', 'create', '5', '--merchant', '9', '--name', 'Tienda ñ', '--strict', 'true', '--allow-origin=']);
    await ask(server, ['project', 'set', '5', '--webhook-allow', '10.0.0.0/8', '--webhook-allow', '::1/128']);
    await ask(server, ['project', 'set', '5', '--json-settings', file]);
    const shown = JSON.parse(await ask(server, ['project', 'show', '5', '--json']));
    assert.deepEqual([shown.project_id, shown.merchant_id, shown.settings.name, shown.settings.strict], [5, 9, 'Tienda ñ', true]);
    assert.deepEqual(shown.settings.webhook_allow_cidrs, ['10.0.0.0/8', '::1/128']);
    assert.deepEqual(shown.settings.verifiers, [{ type: 'hs256' }]);
    assert.match(await ask(server, ['project', 'set', '5', '--webhook-allow', 'x'], { code: 1 }), /^orderwire: --webhook-allow\[0\]: expected an address range/);
    const set = async (...words) => JSON.parse(await ask(server, ['project', 'set', '5', '--json', ...words])).settings;
    assert.deepEqual((await set('--allow-origin', 'https://shop.example')).allowed_origins, ['https://shop.example']);
    const emptied = await set('--webhook-allow=', '--allow-origin=');
    assert.deepEqual([emptied.webhook_allow_cidrs, emptied.allowed_origins], [[], null]);
    assert.match(await ask(server, ['project', 'set', '5', '--webhook-allow=', '--webhook-allow', '::1/128'], { code: 64 }),
      /^orderwire: --webhook-allow: an empty value empties the list, and stands alone\n/);
    await set('--webhook-allow', '10.0.0.0/8', '--webhook-allow', '::1/128');
    assert.match(await ask(server, ['project', 'create', '5'], { code: 1 }), /exists already/);
    assert.match(await ask(server, ['project', 'show', '6'], { code: 1 }), /Project not found/);
    assert.deepEqual(JSON.parse(await ask(server, ['project', 'show', '5', '--json'])), shown);
    const list = JSON.parse(await ask(server, ['project', 'list', '--json']));
    assert.deepEqual(list.projects.map((project) => project.project_id), [5, 77640]);
    assert.deepEqual(JSON.parse(await ask(server, ['project', 'list', '--after', '5', '--json'])).projects.length, 1);
  });

  await step(t, server, 'a key of the merchant opens all of its projects until it is deleted', async () => {
    const key = JSON.parse(await ask(server, ['project', 'key', '5', '--merchant-wide', '--label', 'ci', '--json']));
    const basic = (name) => ({ authorization: `Basic ${Buffer.from(`${name}:${server.secret(key.api_key)}`).toString('base64')}` });
    const orders = (id, name) => call(`${server.url}/server/v1/project/${id}/orders`, { headers: basic(name) });
    assert.equal((await orders(5, 9)).status, 200);
    assert.equal((await orders(77640, 77640)).status, 401);
    const listed = JSON.parse(await ask(server, ['project', 'key', '5', '--list', '--json'])).keys;
    assert.deepEqual(listed.map(({ label, merchant_wide }) => [label, merchant_wide]), [['first', false], ['ci', true]]);
    await ask(server, ['project', 'key', '5', '--delete', key.key_id]);
    assert.equal((await orders(5, 9)).status, 401);
    assert.match(await ask(server, ['project', 'key', '5', '--delete', key.key_id], { code: 1 }), /Key not found/);
  });

  await step(t, server, 'a token stands alone on its line and has the claims asked for', async () => {
    const line = await ask(server, ['token', '--project', '77640', '--user', 'u1', '--ttl', '1h', '--claim', 'a=b', '--claim', 'n=[7]']);
    assert.match(line, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const claims = claimsOf(line);
    assert.deepEqual([claims.sub, claims.a, claims.n, claims.exp - claims.iat], ['u1', 'b', [7], 3600]);
    const json = JSON.parse(await ask(server, ['token', '--project', '77640', '--user', 'u1', '--claim', 'exp=86400', '--json']));
    assert.equal(json.expires_at, '1970-01-02T00:00:00.000Z');
    await ask(server, ['token', '--project', '77640', '--user', 'u1', '--claim', 'a'], { code: 64 });
    await ask(server, ['token', '--project', '77640'], { code: 64 });
    await ask(server, ['token', '--project', '77641', '--user', 'u1'], { code: 1 });
  });

  await step(t, server, 'the key comes from the environment too', async () => {
    const words = ['project', 'list', '--json', '--data', '/nowhere'];
    const environment = { ORDERWIRE_SERVER: server.url, ORDERWIRE_ADMIN_KEY: server.adminKey };
    assert.equal((await run(words, environment)).code, 0);
    const inData = { ORDERWIRE_SERVER: server.url, ORDERWIRE_DATA: server.data };
    assert.equal((await run(['project', 'list'], inData)).code, 0);
    assert.equal((await run(['backup', path.join(server.data, 'copy.db')], inData)).code, 0);
    assert.match((await run(words, inData)).stderr, /^orderwire: the admin key: \/nowhere/);
    assert.match((await run(words, { ORDERWIRE_SERVER: server.url })).stderr, /admin\.key: No such file/);
    const wrong = await run(words, { ...environment, ORDERWIRE_ADMIN_KEY: 'owa_wrong_wrong_wrong' });
    assert.deepEqual([wrong.code, /1020/.test(wrong.stderr)], [1, true]);
    assert.match(wrong.stderr, /\n\(the admin key in ORDERWIRE_ADMIN_KEY is not this server's\?\)\n$/);
    const other = path.join(server.data, 'other');
    await mkdir(other);
    await writeFile(path.join(other, 'admin.key'), `owa_${'0'.repeat(40)}\n`, { mode: 0o600 });
    const strange = await run(['project', 'list', '--data', other], { ORDERWIRE_SERVER: server.url });
    assert.ok(strange.stderr.endsWith(`(the admin key in ${other}/admin.key is not this server's?)\n`), strange.stderr);
  });
});

serverTest('orders made, moved, listed and tracked', {}, async (server) => {
  const project = await Project.create(server);
  const inProject = ['--project', String(project.id)];
  const content = '{"price":{"amount":"4.99","currency":"USD"},"items":[{"sku":"sword"}]}';
  const made = JSON.parse(await ask(server, ['order', 'create', '--user', 'u 1&x', '--order-id', '7', '--content', content, '--json', ...inProject]));
  assert.deepEqual([made.order_id, made.status, made.seq], [7, 'new', 1]);

  const byUser = server.own(new Track(server, ['7', '--user', 'u 1&x', ...inProject]));
  const byToken = server.own(new Track(server, ['7', '--token', made.token, ...inProject]));
  for (const [status, count] of [['paid', 2], ['done', 3]]) {
    await Promise.all([byUser.statuses(count - 1), byToken.statuses(count - 1)]);
    assert.match(await ask(server, ['order', 'set', '7', status, ...inProject]), new RegExp(`^Order 7 is ${status} now`));
  }
  assert.deepEqual(await Promise.all([byUser.end(), byToken.end()]), [0, 0]);
  assert.deepEqual(await byToken.statuses(3), ['new', 'paid', 'done']);

  assert.match(await ask(server, ['order', 'set', '7', 'paid', ...inProject]), /^Order 7 stays done \(stale\)/);
  await ask(server, ['order', 'set', '7', 'canceled', '--cancel-reason', 'refund', ...inProject]);
  assert.match(await ask(server, ['order', 'set', '7', 'paid', ...inProject], { code: 1 }), /final/);
  const order = JSON.parse(await ask(server, ['order', 'get', '7', '--json', ...inProject]));
  assert.deepEqual([order.cancel_reason, order.user_external_id, order.events.length], ['refund', 'u 1&x', 4]);
  const shown = await ask(server, ['order', 'get', '7', ...inProject]);
  assert.match(shown, /^order_id +7\n/m);
  assert.doesNotMatch(shown, /deliveries/);
  const late = server.own(new Track(server, ['7', '--user', 'u 1&x', ...inProject]));
  assert.equal(await late.end(), 2, 'canceled');
  assert.match(await ask(server, ['track', '8', '--user', 'u 1&x', ...inProject], { code: 1 }), /Order not found/);

  for (const [words, told] of [
    [['order', 'create', '--user', ''], '--user: must have'],
    [['order', 'set', '7', 'pade'], 'STATUS: expected new, paid'],
    [['order', 'list', '--status', 'pade'], '--status: expected new, paid'],
    [['webhook', 'add', 'ftp://localhost'], 'URL: must begin'],
    [['webhook', 'add', 'http://localhost', '--status', 'pade'], '--status[0]: expected new, paid'],
    [['order', 'set', '7', 'paid', '--content', '/nowhere/at/all'], '--content: /nowhere/at/all: No such file or directory\n'],
    [['webhook', 'deliveries', '--from', 'noon'], '--from: expected a time'],
    [['project', 'set', String(project.id), '--json-settings', '{"nmae":1}'], '[0401-1102]: nmae: unknown field'],
  ]) {
    const stderr = await ask(server, words[0] === 'project' ? words : [...words, ...inProject], { code: 1 });
    assert.ok(stderr.startsWith(`orderwire: ${told}`), stderr);
  }

  await ask(server, ['order', 'create', '--user', 'u2', ...inProject]);
  assert.match(await ask(server, ['user', 'revoke', '\u009b2J', ...inProject]), /^user_external_id +\\x9b2J$/m);
  const list = async (...words) => JSON.parse(await ask(server, ['order', 'list', '--json', ...words, ...inProject]));
  assert.deepEqual((await list('--user', 'u 1&x')).orders.map((row) => row.order_id), [7]);
  assert.deepEqual((await list('--status', 'new')).orders.map((row) => row.order_id), [8]);
  const page = await list('--limit', '1');
  assert.deepEqual((await list('--cursor', page.next_cursor)).orders.map((row) => row.order_id), [7]);
  assert.match(await ask(server, ['order', 'list', ...inProject]), /^order_id +status .*\n8 +new .*\n7 +canceled /);
});

test('the demo walks on every channel, and cleans up', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'orderwire-e2e-'));
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const listen = `127.0.0.1:${taken.address().port}`;
  try {
    const kept = ['demo', '--once', '--data', path.join(folder, 'kept'), '--listen', '127.0.0.1:0'];
    for (const words of [['demo', '--listen', '127.0.0.1:0'], kept, kept, ['demo', '--once']]) {
      const { code, stdout, stderr } = await run(words, { TMPDIR: folder, ORDERWIRE_LISTEN: listen });
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, / WebSocket +Get order \(poll 0\.1 s\) +Webhook\n.* new .*ms.*ms.*ms\n.* paid .*ms.*ms.*ms\n.* done .*ms.*ms.*ms\n\nEvery channel showed every status, in order\.\n$/);
      assert.equal(stdout.includes('taking another port'), words.length === 2, stdout);
      assert.deepEqual(await readdir(folder), words === kept || words.length === 2 ? ['kept'] : []);
    }
    const refused = await run(['demo', '--once', '--listen', listen], { TMPDIR: folder });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^orderwire: 127\.0\.0\.1:\d+: /);
  } finally {
    taken.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test('who needs no credentials is let in from this machine alone', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'orderwire-cli-'));
  const insecure = ['--data', folder, '--set', 'realtime.insecure_user=1/u1'];
  try {
    const refused = await run(['serve', '--listen', '0.0.0.0:0', ...insecure]);
    assert.equal(refused.code, 64);
    assert.match(refused.stderr, /listen must be a loopback address such as 127\.0\.0\.1:8000; it is 0\.0\.0\.0:/);
    const server = spawn(binary, ['serve', '--listen', '127.0.0.1:0', ...insecure], { env: cleanEnvironment() });
    const closed = once(server, 'close');
    let log = '';
    server.stderr.setEncoding('utf8').on('data', (text) => (log += text));
    await within(once(server.stdout, 'data'), 'the server to listen');
    server.kill('SIGTERM');
    await within(closed, 'the server to end');
    assert.match(log, /"warning".*realtime\.insecure_user is set.*1\/u1/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a server that cannot be asked: what is wrong, and what to try', async (t) => {
  const plain = http.createServer((request, response) => response.end('{}')).listen(0, '127.0.0.1');
  const other = net.createServer((socket) => socket.on('error', () => {}).end('\x15\x03\x03')).listen(0, '127.0.0.1');
  await Promise.all([once(plain, 'listening'), once(other, 'listening')]);
  t.after(() => [plain, other].forEach((server) => server.close()));
  const port = plain.address().port;
  for (const [server, told] of [
    ['http://127.0.0.1:1', 'cannot connect: Connection refused; is the server running?'],
    ['127.0.0.1:1', 'http://127.0.0.1:1: cannot connect: Connection refused; is the server running?'],
    ['unix:/nowhere', 'unix:/nowhere: cannot connect: No such file or directory; is the server running?'],
    [`https://127.0.0.1:${port}`, '; a port without TLS wants http://'],
    [`http://127.0.0.1:${other.address().port}`, '; a port with TLS wants https://'],
    [`http://${'a'.repeat(70)}`, "; is this the server's name?"], // too long for a label: nobody is asked
  ]) {
    const { code, stderr } = await run(['project', 'list', '--server', server], { ORDERWIRE_ADMIN_KEY: 'owa_key' });
    assert.equal(code, 1, server);
    assert.ok(stderr.startsWith('orderwire: ') && stderr.endsWith(`${told}\n`), stderr);
  }
  const track = await run(['track', '1', '--project', '1', '--token', 't', '--server', `https://127.0.0.1:${port}`]);
  assert.deepEqual([track.code, /wants http/.test(track.stderr)], [1, true], track.stderr);
  const environment = { ORDERWIRE_SERVER: 'htp://localhost' };
  assert.match((await run(['project', 'list'], environment)).stderr, /^orderwire: ORDERWIRE_SERVER: expected/);
});

/** The program in a shell's hands, with redirections. */
function runInShell(words, redirections) {
  return new Promise((resolve) => {
    execFile('sh', ['-c', `exec "$0" "$@" ${redirections}`, binary, ...words], { env: cleanEnvironment(), timeout: 10_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
}

serverTest('what cannot be printed is told', {}, async (server) => {
  const asked = ['--server', server.url, '--data', server.data];
  for (const words of [['version'], ['routes'], ['--help'], ['project', 'create', '5', ...asked], ['project', 'list', '--json', ...asked]]) {
    const { code, stderr } = await runInShell(words, '> /dev/full');
    assert.deepEqual([code, stderr], [1, 'orderwire: standard output cannot be written: No space left on device\n'], words.join(' '));
  }
  const closed = await runInShell(['version'], '>&-');
  assert.deepEqual([closed.code, closed.stderr], [1, 'orderwire: standard output cannot be written: Bad file descriptor\n']);
  const project = await Project.create(server);
  await project.create('u1', { order_id: 1 });
  const track = await runInShell(['track', '1', '--project', String(project.id), '--user', 'u1', ...asked], '> /dev/full');
  assert.equal(track.code, 1, 'it does not go on for nobody');
  const listen = ['listen', '--project', String(project.id), '--forward-to', 'http://127.0.0.1:1/', '--trigger', ...asked];
  assert.equal((await runInShell(listen, '> /dev/full')).code, 1);
});

test('a server without standard streams writes nothing into its files', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'ow-'));
  const listen = `unix:${path.join(folder, 's')}`;
  const data = path.join(folder, 'data');
  const words = ['serve', '--data', data, '--listen', listen, '--set', 'log.level=debug'];
  try {
    for (const closed of ['>&-', '2>&-', '<&- >&- 2>&-']) {
      const server = spawn('sh', ['-c', `exec "$0" "$@" ${closed}`, binary, ...words], { env: cleanEnvironment(), stdio: 'ignore' });
      const ended = once(server, 'close');
      try {
        await until(async () => (await run(['project', 'list', '--data', data, '--server', listen])).code === 0, 'the server to answer');
        assert.equal((await stat(path.join(data, 'lock'))).size, 0, closed);
        server.kill('SIGTERM');
        assert.deepEqual(await within(ended, 'the server to end'), [0, null], closed);
      } finally {
        server.kill('SIGKILL');
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('what is not understood says so with exit code 64', async () => {
  for (const [words, told] of [
    [[], ''],
    [['oder'], 'did you mean'],
    [['order'], 'create, set, get, list'],
    [['help', 'oder'], 'oder: there is no such command; did you mean order?'],
    [['order', 'list', '-d', 'data'], '-d: flags begin with two dashes'],
    [['order', 'sett'], 'orderwire: order sett: there is no such command; did you mean order set?'],
    [['foo'], 'no such command\nSee'],
    [['check-config', '--listen', '8000'], 'listen: 8000: an address is HOST:PORT'],
    [['serve', '--listen', '127.0.0.1:99999', '--data', '/proc/none'], 'listen: 127.0.0.1:99999: an address is HOST:PORT'],
    [['check-config', '--set', 'realtime.insecure_user=u1'], 'realtime.insecure_user: expected PROJECT/USER'],
    [['check-config', '--set', 'realtime.insecure_user=1/u1', '--listen', ':8000'], 'listen must be a loopback address'],
    [['order', 'set', '1'], 'expected: orderwire order set ORDER_ID STATUS'],
    [['order', 'get', '0', '--project', '1'], 'ORDER_ID: expected a number'],
    [['\x1b[2J\n\xff'.repeat(100)], 'orderwire: \\x1b[2J'],
    [['version', '--\x1b[2J'], 'orderwire: --\\x1b[2J: there is no such flag\nSee'],
    [['version', '\x1b[2J'.repeat(3000)], 'orderwire: \\x1b[2J'],
    [['version', `--${'x'.repeat(10000)}`], `xxx...\nSee`],
    [['order', 'create', '--project', '1', '--user', 'u', '--content='], '--content: the name of a file is missing'],
    [['project', 'key', '1', '--delete='], '--delete: expected the id of a key'],
    [['backup', ''], 'FILE: expected a name'],
    [['check-config', '--set', `log.level=${'x'.repeat(9000)}`], 'log.level: expected debug'],
    [['check-config', '--listen', 'x'.repeat(9000)], 'listen: expected a text of 1 to '],
    [['check-config', '--set', 'x'], '--set: expected KEY=VALUE: x'],
    [['version', '--nonsense'], '--nonsense: there is no such flag\nSee'],
    [['serve', '--port', '80'], '--port: there is no such flag\nSee'],
    [['order', 'list', '--statsu', 'new'], '--statsu: there is no such flag; did you mean --status?'],
    [['project', 'list', '--server', 'ftp://localhost'], '--server: expected http://HOST:PORT'],
    [['listen', '--project', '1', '--forward-to', 'http://localhost/', '--server', 'unix:'], 'or unix:/PATH'],
    [['token', '--project', '1', '--user', 'u', '--server', 'http://a\nb'], '--server: expected'],
    [['serve', '--set', 'realtime.max_lifetim=5s'], 'realtime.max_lifetime'],
  ]) {
    const { code, stderr } = await run(words);
    assert.equal(code, 64, words.join(' '));
    assert.ok(stderr.includes(told), stderr);
  }
  for (const words of [['--help'], ['help'], ['order', 'create', '--help'], ['version'], ['--version']])
    assert.equal((await run(words)).code, 0, words.join(' '));
  const group = (await run(['order', '--help'])).stdout;
  assert.deepEqual(group.match(/^  order \w+/gm), ['create', 'set', 'get', 'list'].map((word) => `  order ${word}`));
  assert.equal((await run(['help', 'order'])).stdout, group);
  assert.equal((await run(['help', 'order', 'set'])).stdout, (await run(['order', 'set', '--help'])).stdout);
  const commands = (await run(['--help'])).stdout.split('\n').filter((line) => line.startsWith('  '));
  const column = commands[0].search(/ [A-Z]/);
  assert.ok(commands.every((line) => /^ [A-Z]/.test(line.slice(column))), commands.join('\n'));
});
