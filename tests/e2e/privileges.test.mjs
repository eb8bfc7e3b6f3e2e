// SPDX-License-Identifier: Apache-2.0
// The server as an ordinary user: what it makes is its own alone, and it refuses what is open to others.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { deferred, within } from './lib/events.mjs';
import { binary, cleanEnvironment } from './lib/server.mjs';

const ROOT = process.getuid() === 0;
const NOBODY = 65534;
const USER = ROOT ? NOBODY : process.getuid();
const OTHER_USER = 65533;

/** A place where the ordinary user finds the program and may make its data directory. */
async function place(t) {
  const home = await mkdtemp(path.join(tmpdir(), 'orderwire-e2e-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  const program = path.join(home, 'orderwire');
  await copyFile(binary, program);
  await chmod(program, 0o755);
  if (ROOT) await chown(home, NOBODY, NOBODY);
  await chmod(home, 0o755);
  return { program, home, data: path.join(home, 'data') };
}

/** Runs a command; as `user` when this is root. Its end is `exited`, what it wrote `stdout` and `stderr`. */
function start(command, words, user = USER) {
  const child = spawn(command, words, {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(ROOT ? { uid: user, gid: user } : {}),
  });
  const line = deferred();
  const running = { child, line: line.promise, stdout: '', stderr: '' };
  child.stderr.setEncoding('utf8').on('data', (text) => (running.stderr += text));
  child.stdout.setEncoding('utf8').on('data', (text) => {
    running.stdout += text;
    if (running.stdout.includes('\n')) line.resolve(running.stdout.split('\n', 1)[0]);
  });
  running.exited = once(child, 'close').then(([code]) => {
    line.reject(new Error(`it ended with ${code}: ${running.stderr}`));
    return code;
  });
  return running;
}

async function run(command, words, user = USER) {
  const running = start(command, words, user);
  try {
    const code = await within(running.exited, `${command} ${words[0]} to end`);
    return { code, stdout: running.stdout, stderr: running.stderr };
  } finally {
    running.child.kill('SIGKILL');
  }
}

/** A server until the test is over; its URL. */
async function serve(t, { program, data }, words = [], user = USER) {
  const server = start(program, ['serve', '--data', data, '--listen', '127.0.0.1:0', ...words], user);
  t.after(async () => {
    server.child.kill('SIGKILL');
    await server.exited;
  });
  const line = await within(server.line, 'the server to listen');
  server.url = line.replace('listening on ', '');
  return server;
}

async function end(server) {
  server.child.kill('SIGTERM');
  assert.equal(await within(server.exited, 'the server to end'), 0);
}

test('an ordinary user runs it, and nobody else reads its data', async (t) => {
  const here = await place(t);
  const server = await serve(t, here);
  const status = await readFile(`/proc/${server.child.pid}/status`, 'utf8');
  assert.match(status, new RegExp(`^Uid:\\t${USER}\\t${USER}\\t${USER}\\t${USER}$`, 'm'));
  assert.match(status, /^CapEff:\t0+$/m);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  const cli = ['--server', server.url, '--data', here.data];
  const made = await run(here.program, ['project', 'create', '77640', ...cli]);
  assert.equal(made.code, 0, made.stderr);
  const order = await run(here.program, ['order', 'create', '--project', '77640', '--user', 'u1', ...cli]);
  assert.equal(order.code, 0, order.stderr);
  const copy = path.join(here.home, 'copy.db');
  assert.equal((await run(here.program, ['backup', copy, '--data', here.data])).code, 0);

  const names = (await readdir(here.data)).map((name) => path.join(here.data, name));
  assert.ok(names.length >= 4, names.join());
  for (const name of [here.data, copy, ...names]) {
    const { mode, uid } = await stat(name);
    assert.equal(mode & 0o077, 0, `${name} has mode ${mode.toString(8)}`);
    assert.equal(uid, USER, name);
  }
  if (ROOT) assert.notEqual((await run('ls', [here.data], OTHER_USER)).code, 0);
  await end(server);
  assert.doesNotMatch(server.stderr, /running as root/);
});

test('its memory is closed to other processes of the user unless core_dumps opens it', async (t) => {
  const here = await place(t);
  for (const [words, owner] of [[[], 0], [['--set', 'core_dumps=true'], USER]]) {
    const server = await serve(t, here, words);
    assert.equal((await stat(`/proc/${server.child.pid}/environ`)).uid, owner, words.join(' '));
    await end(server);
  }
});

test('keys and a data directory that are open to others are refused with a sentence', async (t) => {
  const here = await place(t);
  await end(await serve(t, here));
  for (const [name, open, closed] of [['admin.key', 0o644, 0o600], ['secrets.key', 0o640, 0o600], ['', 0o750, 0o700]]) {
    const file = path.join(here.data, name);
    await chmod(file, open);
    const { code, stderr } = await run(here.program, ['serve', '--data', here.data, '--listen', '127.0.0.1:0']);
    assert.equal(code, 1, name);
    const mode = closed.toString(8);
    assert.match(stderr, new RegExp(`${name}: open to other users \\(mode 0${open.toString(8)}\\); .*chmod ${mode}`));
    if (name === 'admin.key') {
      const asked = await run(here.program, ['project', 'list', '--data', here.data]);
      assert.equal(asked.code, 1);
      assert.match(asked.stderr, /admin\.key: open to other users/);
    }
    await chmod(file, closed);
  }
  await end(await serve(t, here));
});

test('root looks after the data of an ordinary user, and is warned when it serves', { skip: !ROOT && 'it needs root' }, async (t) => {
  const here = await place(t);
  const server = await serve(t, here);
  const made = await run(here.program, ['project', 'create', '1', '--server', server.url, '--data', here.data], 0);
  assert.equal(made.code, 0, made.stderr);
  await end(server);
  const foreign = path.join(here.home, 'foreign');
  await mkdir(foreign, { mode: 0o700 });
  await chown(foreign, OTHER_USER, OTHER_USER);
  const refused = await run(here.program, ['serve', '--data', foreign, '--listen', '127.0.0.1:0']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /belongs to another user/);
  for (const name of ['orderwire.db', 'lock', 'secrets.key', 'audit.log', 'admin.key']) {
    await chown(path.join(here.data, name), 0, 0);
    const restored = await run(here.program, ['serve', '--data', here.data, '--listen', '127.0.0.1:0']);
    assert.equal(restored.code, 1);
    const told = `; ${here.data}/${name} belongs to uid 0 (mode 0600), and this is uid ${USER}: use \`chown -R\`, or run as that user\n`;
    assert.ok(restored.stderr.endsWith(told), restored.stderr);
    if (name !== 'admin.key') await chown(path.join(here.data, name), USER, USER);
  }
  const list = await run(here.program, ['project', 'list', '--data', here.data]);
  assert.match(list.stderr, /admin\.key belongs to uid 0/);
  const strange = await run(here.program, ['backup', path.join(here.home, 'b.db'), '--data', here.home]);
  assert.match(strange.stderr, /there is no database \(No such file or directory\)/);
  assert.deepEqual((await readdir(here.home)).sort(), ['data', 'foreign', 'orderwire']);
  const shared = await run(here.program, ['serve', '--data', '/tmp', '--listen', '127.0.0.1:0'], 0);
  assert.match(shared.stderr, /\/tmp: open to other users \(mode 1777\) and in use for other things; choose a directory of its own/);
  const rooted = await serve(t, { ...here, data: path.join(here.home, 'rooted') }, [], 0);
  await end(rooted);
  assert.match(rooted.stderr, /running as root/);
});
