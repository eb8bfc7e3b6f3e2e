// SPDX-License-Identifier: Apache-2.0
// The server behind https:// as its clients find it: the program's own commands, curl, node, a browser; certificates
// by name, renewed under live connections; sessions that are resumed on any worker.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import WebSocket from 'ws';
import { Project } from './lib/api.mjs';
import { browserPath, connect, launchBrowser, seesAll, shop } from './lib/browser.mjs';
import { Authority } from './lib/certificates.mjs';
import { ask, run } from './lib/commands.mjs';
import { deferred, event, Inbox, short, until, within } from './lib/events.mjs';
import { binary, cleanEnvironment } from './lib/server.mjs';
import { tlsTest } from './lib/tls.mjs';

/** A program, running: its lines as they come, its end as {code, stderr}. */
class Running {
  constructor(server, program, words, environment = {}) {
    const child = server.own(this).child = spawn(program, words, { env: { ...cleanEnvironment(), ...environment } });
    this.lines = new Inbox();
    let rest = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) this.lines.push(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    const end = deferred();
    child.on('close', (code) => end.resolve({ code, stderr }));
    this.end = () => within(end.promise, `the end of ${program}`);
  }

  async take(count) {
    const lines = [];
    while (lines.length < count) lines.push(await this.lines.next(`line ${lines.length + 1} of ${count}`));
    return lines;
  }

  close() {
    this.child.kill('SIGKILL');
  }
}

tlsTest('the commands', { isPrivate: false }, async (server, authority) => {
  const trust = ['--ca', authority.caFile];
  const json = async (...words) => JSON.parse(await ask(server, [...words, '--json'], { trust }));
  const project = await json('project', 'create', '77640');
  for (const name of ['api_key', 'user_token_secret', 'webhook_secret']) server.secret(project[name]);
  const inProject = ['--project', '77640'];
  await ask(server, ['order', 'create', ...inProject, '--user', 'u1', '--order-id', '1'], { trust });

  const common = ['--server', server.url, '--data', server.data, ...trust, ...inProject];
  const track = new Running(server, binary, ['track', '1', ...common, '--user', 'u1', '--json']);
  const source = (line) => JSON.parse(line).source;
  assert.deepEqual((await track.take(1)).map(source), ['websocket']);
  await ask(server, ['order', 'set', '1', 'paid', ...inProject], { environment: { ORDERWIRE_CA: authority.caFile } });
  await ask(server, ['order', 'set', '1', 'done', ...inProject], { trust: ['--insecure'] });
  assert.deepEqual((await track.take(2)).map(source), ['websocket', 'websocket']);
  assert.deepEqual(await track.end(), { code: 0, stderr: '' });

  const handler = server.own(createServer((request, response) => request.resume().on('end', () => response.end())));
  await once(handler.listen(0, '127.0.0.1'), 'listening');
  const forward = ['--forward-to', `http://127.0.0.1:${handler.address().port}/hook`];
  const listen = new Running(server, binary, ['listen', ...common, ...forward, '--trigger', '--json']);
  for (const line of await listen.take(6)) assert.equal(JSON.parse(line).answer, 200, line);
  listen.child.kill('SIGINT');
  assert.equal((await listen.end()).code, 0);
});

tlsTest('commands that do not trust the server', { names: ['DNS:orders.example'], isPrivate: false }, async (server, authority) => {
  const list = ['project', 'list'];
  const problem = /; --ca FILE says whom to trust\n$/;
  for (const trust of [[], ['--ca', authority.caFile], ['--ca', '/nonexistent'], ['--ca', path.join(authority.directory, 'server.key')]])
    assert.match(await ask(server, list, { trust, code: 1 }), problem);
  await ask(server, list, { trust: ['--insecure'] });
  const plain = { url: server.url.replace('https', 'http'), data: server.data };
  assert.match(await ask(plain, list, { code: 1 }), /HTTP status 400: This address speaks https\.\n$/);
  const words = ['track', '1', '--project', '1', '--token', server.secret('the buyers token')];
  assert.match(await ask(server, words, { trust: ['--ca', authority.caFile], code: 1 }), problem);
});

tlsTest('curl', {}, async (server, authority) => {
  const curl = (...words) =>
    new Promise((resolve) => {
      const all = ['--silent', '--show-error', '--cacert', authority.caFile, ...words, `${server.url}/health`];
      execFile('curl', ['--output', '/dev/null', '--write-out', '%{http_code} %{http_version}', ...all], (_, stdout, stderr) => resolve(stdout + stderr));
    });
  assert.equal(await curl(), '200 1.1');
  assert.equal(await curl('--http2'), '200 1.1');
  for (const version of [['--tlsv1.2', '--tls-max', '1.2'], ['--tlsv1.3']]) assert.equal(await curl(...version), '200 1.1');
  assert.match(await curl('--tlsv1.0', '--tls-max', '1.1', '--ciphers', 'ALL:@SECLEVEL=0'), /^000 .*SSL/s);
  assert.match(await curl('--cacert', '/etc/ssl/certs/ca-certificates.crt'), /^000 .*certificate/s);
});

tlsTest('buyers\' clients in node, which verify', {}, async (server, authority) => {
  const project = await Project.create(server);
  const script = new URL('./lib/tls_client.mjs', import.meta.url).pathname;
  let users = 0;
  const follow = async (kind, environment) => {
    const user = `u${++users}`;
    const { order_id } = await project.create(user);
    const options = { ...kind, url: server.url, projectId: project.id, orderId: order_id, token: project.token(user) };
    return { order_id, client: new Running(server, process.execPath, [script, JSON.stringify(options)], environment) };
  };
  const trusting = { NODE_EXTRA_CA_CERTS: authority.caFile };
  for (const [kind, source] of [
    [{ live: true }, 'websocket'],
    [{}, 'poll'],
    ...['websocket', 'http_stream'].flatMap((transport) => [[{ transport }, transport], [{ transport, protobuf: true }, transport]]),
    [{ transport: 'sse' }, 'sse'],
  ]) {
    const { order_id, client } = await follow(kind, trusting);
    for (const status of ['new', 'paid', 'done']) {
      if (status !== 'new') await project.set(order_id, status);
      assert.deepEqual(await client.take(1), [`${source} ${status}`]);
    }
    assert.equal((await client.end()).code, 0);
  }
  const { client: stranger } = await follow({ live: true }, {});
  assert.match(await stranger.lines.next('a fallback'), /^fallback /);
  stranger.close();
});

tlsTest('Chromium', { skip: !browserPath && 'there is no Chromium' }, async (server, authority, t) => {
  const [cert, key] = await Promise.all(['cert', 'key'].map((kind) => readFile(path.join(authority.directory, `server.${kind}`))));
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(spki).digest('base64');
  const origin = server.own(await shop({ cert, key }));
  const browser = server.own(await launchBrowser(`--ignore-certificate-errors-spki-list=${hash}`));
  const dist = new URL('./node_modules/centrifuge/dist/', import.meta.url).pathname;
  let id = 1000;
  for (const [transport, protobuf] of [['websocket'], ['websocket', true], ['http_stream'], ['http_stream', true], ['sse']]) {
    await t.test(`${transport}${protobuf ? ' in Protobuf' : ''}`, async () => {
      const page = await browser.newPage();
      await page.goto(`https://127.0.0.1:${origin.address().port}/`, { timeout: short ? 60_000 : 30_000 });
      await page.addScriptTag({ path: path.join(dist, protobuf ? 'centrifuge.protobuf.js' : 'centrifuge.js') });
      const project = await Project.create(server, ++id);
      const { order_id } = await project.create('u1');
      await page.evaluate(connect, { url: server.url, transport, protobuf, data: { auth: project.token('u1'), project_id: project.id } });
      await seesAll(page, project, order_id);
      await page.close();
    });
  }
});

/** A whole handshake; `session` is one of before. {socket, name of the certificate, whether it was resumed, the session}. */
async function greet(server, authority, options = {}) {
  const socket = tls.connect({ port: server.port, ca: authority.ca, checkServerIdentity: () => undefined, ...options });
  let session = event(socket, 'session', { what: 'a ticket' });
  session.catch(() => {});
  await within(once(socket, 'secureConnect'), 'a handshake');
  const resumed = socket.isSessionReused();
  /* In TLS 1.3 the ticket comes after the handshake; in 1.2 a resumed session keeps the one it has. */
  if (socket.getProtocol() === 'TLSv1.2') session = socket.getSession();
  const result = { socket, names: socket.getPeerX509Certificate()?.subjectAltName, resumed, session: await session };
  /* What is written while node still reads the ticket stays in node. */
  await new Promise(setImmediate);
  return result;
}

/** Ends a connection in order: what waited in node has gone out. */
async function leave(socket) {
  socket.end();
  await within(once(socket.resume(), 'close'), 'the end of a connection');
}

const more = async (authority) => {
  const lists = [];
  for (const name of ['a.example', '*.b.example']) {
    const { cert, key } = await authority.files(name.replace('*', 'any'), [`DNS:${name}`]);
    lists.push(`${cert} ${key}`);
  }
  return { 'tls.more': lists.join(', ') };
};

tlsTest('certificates by name', { names: ['DNS:first.example'], more }, async (server, authority) => {
  for (const [servername, expected] of [
    ['', 'first.example'],
    ['first.example', 'first.example'],
    ['a.example', 'a.example'],
    ['A.Example', 'a.example'],
    ['x.b.example', '*.b.example'],
    ['x.y.b.example', 'first.example'],
    ['b.example', 'first.example'],
    ['unknown.example', 'first.example'],
  ]) {
    const { socket, names } = await greet(server, authority, { servername });
    assert.equal(names, `DNS:${expected}`, servername);
    await leave(socket);
  }
});

tlsTest('sessions are resumed on any worker', { workers: 4 }, async (server, authority) => {
  const ROUNDS = 40;
  for (const [turn, version] of ['TLSv1.2', 'TLSv1.3'].entries()) {
    const options = { minVersion: version, maxVersion: version };
    const first = await greet(server, authority, options);
    assert.equal(first.resumed, false);
    await leave(first.socket);
    for (let i = 0; i < ROUNDS; i++) {
      const { socket, resumed } = await greet(server, authority, { ...options, session: first.session });
      assert.equal(resumed, true, `${version}, connection ${i}`);
      await leave(socket);
    }
    assert.equal(await server.metric('tls_handshakes_total{result="resumed"}'), (turn + 1) * ROUNDS);
    assert.equal(await server.metric('tls_handshakes_total{result="full"}'), turn + 1);
  }
});

tlsTest('renewed certificates, and live connections', {}, async (server, authority) => {
  const project = await Project.create(server);
  const { order_id } = await project.create('u1');
  const socket = new WebSocket(server.websocketUrl, { ca: authority.ca });
  server.own({ close: () => socket.terminate() });
  const inbox = new Inbox();
  socket.on('message', (text) => inbox.push(text.toString()));
  await event(socket, 'open');
  socket.send(JSON.stringify({ id: 1, connect: { data: { auth: project.token('u1'), project_id: project.id } } }));
  const hears = (text) => inbox.find((message) => message.includes(text), text);
  await hears('"new"');

  const names = async () => {
    const { socket: other, names: all } = await greet(server, authority);
    await leave(other);
    return all;
  };
  const endsIn = async (days) =>
    assert.equal(Math.ceil(((await server.metric('tls_not_after_seconds')) - Date.now() / 1000) / 86400), days);
  const before = await names();
  await authority.files('server', ['DNS:renewed.example', 'IP:127.0.0.1']);
  server.reload();
  await until(async () => (await names()) !== before, 'the renewed certificate');
  const renewed = await names();
  assert.match(renewed, /renewed\.example/);
  await endsIn(2);
  await project.set(order_id, 'paid');
  await hears('"paid"');

  const complaint = 'the new certificates cannot be used';
  const file = path.join(authority.directory, 'server.key');
  const key = await readFile(file);
  const refusals = () => server.metric('tls_renewals_total{result="refused"}');
  const spoil = async (change) => {
    const count = await refusals();
    await change();
    server.reload();
    await until(async () => (await refusals()) > count, 'a refusal');
    assert.equal(await names(), renewed);
  };
  await spoil(() => writeFile(file, 'no key at all'));
  await spoil(() => writeFile(file, 'no key at all, again'));
  assert.equal(server.log.split(complaint).length, 2, 'said once');
  await spoil(async () => {
    await writeFile(file, key);
    await chmod(file, 0o644);
  });
  assert.equal(server.log.split(complaint).length, 3, 'another reason is said too');
  assert.match(server.log, /server\.key: others may read this key/);

  /* The files are looked at without a signal as well. */
  await authority.files('server', ['DNS:last.example', 'IP:127.0.0.1'], { days: 9 });
  await until(async () => (await names()).includes('last.example'), 'the last certificate');
  await endsIn(9);
  assert.equal(await server.metric('tls_renewals_total{result="done"}'), 2);
  await project.set(order_id, 'done');
  await hears('"done"');
  assert.equal(socket.readyState, WebSocket.OPEN);

  assert.doesNotMatch(server.log, /a certificate has ended/);
  await authority.files('server', ['IP:127.0.0.1'], { days: -1 });
  await until(() => /"warning".*a certificate has ended.*"not_after":"20/.test(server.log), 'a warning');
});

test('check-config opens the files as serve does', async (t) => {
  const authority = await Authority.create({ own: (resource) => (t.after(() => resource.destroy()), resource) });
  const first = await authority.files('first', ['DNS:first.example']);
  const second = await authority.files('second', ['DNS:second.example']);
  const file = (name) => path.join(authority.directory, name);
  await writeFile(file('open.key'), await readFile(first.key), { mode: 0o644 });
  await writeFile(file('text.cert'), 'no certificate');
  const start = (word, options) => {
    const words = Object.entries(options).flatMap(([key, value]) => ['--set', `tls.${key}=${value}`]);
    return run([word, '--data', file('data'), '--listen', '127.0.0.1:0', ...words]);
  };
  const good = await start('check-config', { cert_file: first.cert, key_file: first.key, more: `${second.cert} ${second.key}` });
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /^tls\.cert_file: .*first\.cert$/m);
  assert.equal(good.stderr, '');
  const over = await authority.files('over', ['DNS:over.example'], { days: -1 });
  const late = await start('check-config', { cert_file: first.cert, key_file: first.key, more: `${over.cert} ${over.key}` });
  assert.equal(late.code, 0);
  assert.match(late.stderr, /^orderwire: a certificate has ended at 20.*Z; clients will refuse it$/m);
  for (const [cert, key, more, told] of [
    [file('none.cert'), first.key, '', 'none.cert: No such file'],
    [file('text.cert'), first.key, '', 'text.cert: is no certificate in PEM'],
    [first.cert, second.key, '', 'second.key: does not belong to the certificate'],
    [first.cert, file('open.key'), '', 'open.key: others may read this key'],
    [first.cert, first.key, `${second.cert} ${first.key}`, 'first.key: does not belong to the certificate'],
    [first.cert, first.key, second.cert, 'tls.more: expected CERT KEY'],
    ['', '', `${second.cert} ${second.key}`, 'tls.more: expected tls.cert_file'],
  ]) {
    for (const word of ['check-config', 'serve']) {
      const { code, stdout, stderr } = await start(word, { cert_file: cert, key_file: key, more });
      assert.ok(code > 0, `${word}: ${told}`);
      assert.ok(stderr.includes(told), `${word}: ${stderr}`);
      assert.equal(stdout, '');
    }
  }
});

tlsTest('more handshakes than one address may begin', { 'limits.handshakes_per_address': 3 }, async (server) => {
  const shakeHands = async (localAddress) => {
    const socket = tls.connect({ host: '127.0.0.1', port: server.port, ca: server.ca, localAddress });
    const outcome = await new Promise((resolve) => {
      socket.on('secureConnect', () => resolve(true)).on('error', () => resolve(false)).on('close', () => resolve(false));
    });
    socket.destroy();
    return outcome;
  };
  const outcomes = [];
  for (let i = 0; i < 20; i++) outcomes.push(await shakeHands('127.0.0.1'));
  assert.deepEqual(outcomes.slice(0, 6), Array(6).fill(true), 'twice as many at once');
  assert.ok(outcomes.includes(false), 'no more than that');
  assert.equal(await shakeHands('127.0.0.2'), true, 'another address');
  assert.ok((await server.metric('connections_refused_total{limit="handshakes"}')) > 0);
  assert.match(server.log, /connections are refused/);
  await until(() => shakeHands('127.0.0.1'), 'the address to be let in again');
});
