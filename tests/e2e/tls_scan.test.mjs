// SPDX-License-Identifier: Apache-2.0
// Everything that TLS ever offered is offered to the server, one at a time, and it takes only what is good. The
// messages are made here: a library of our days refuses to send most of them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { command } from './lib/api.mjs';
import { until, within } from './lib/events.mjs';
import { answerTo, clientHello, negotiate, SSL3, TLS10, TLS11, TLS12, TLS13, tlsTest } from './lib/tls.mjs';

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
/* Where IANA has registered cipher suites for versions before 1.3: NULL, export, RC4, DES, CBC, anonymous and all others. */
const SUITES = [...range(0x0001, 0x00c7), ...range(0xc001, 0xc0b5), ...range(0xc100, 0xc106), ...range(0xcca8, 0xccae), ...range(0xd001, 0xd005)];
/* ECDHE with AES-GCM or ChaCha20-Poly1305. */
const GOOD = { ecdsa: [0xc02b, 0xc02c, 0xcca9], rsa: [0xc02f, 0xc030, 0xcca8] };
const GOOD13 = [0x1301, 0x1302, 0x1303];
const ALERT = { handshakeFailure: 40, protocolVersion: 70 };
const EVERYTHING = [...SUITES, ...range(0x1301, 0x1305)];

const failures = (server) => server.metric('tls_handshakes_total{result="failed"}');

for (const rsa of [false, true]) {
  const kind = rsa ? 'rsa' : 'ecdsa';
  tlsTest(`versions and ciphers with a certificate of ${kind}`, { rsa }, async (server, _, t) => {
    await t.test('versions', async () => {
      for (const version of [SSL3, TLS10, TLS11]) {
        /* SSL 3.0 had no word for it. */
        const alert = version === SSL3 ? ALERT.handshakeFailure : ALERT.protocolVersion;
        assert.deepEqual(await negotiate(server, { version, ciphers: EVERYTHING }), { alert }, `${version}`);
      }
      for (const version of [TLS12, TLS13])
        assert.equal((await negotiate(server, { version, ciphers: EVERYTHING })).version, version);
    });
    await t.test('each cipher suite of TLS 1.2', async () => {
      const taken = [];
      for (const cipher of SUITES) {
        const choice = await negotiate(server, { version: TLS12, ciphers: [cipher] });
        if (choice.cipher !== undefined) taken.push(choice.cipher);
        else assert.deepEqual(choice, { alert: ALERT.handshakeFailure }, cipher.toString(16));
      }
      assert.deepEqual(taken, GOOD[kind]);
    });
    await t.test('each cipher suite of TLS 1.3', async () => {
      const taken = [];
      for (const cipher of range(0x1301, 0x1305)) {
        const choice = await negotiate(server, { version: TLS13, ciphers: [cipher] });
        if (choice.cipher !== undefined) taken.push(choice.cipher);
      }
      assert.deepEqual(taken, GOOD13);
    });
    await t.test('a client that can do little more than 1.2 is not talked down', async () => {
      const weakFirst = [...SUITES].filter((cipher) => !GOOD[kind].includes(cipher));
      const { cipher } = await negotiate(server, { ciphers: [...weakFirst, GOOD[kind][0]] });
      assert.equal(cipher, GOOD[kind][0]);
    });
    assert.ok((await failures(server)) > SUITES.length);
    assert.equal(server.log.includes('"level":"error"'), false);
  });
}

tlsTest('compression, heartbeats, renegotiation', {}, async (server, authority) => {
  const ciphers = GOOD.ecdsa;
  assert.equal((await negotiate(server, { ciphers, compressions: [1, 0] })).compression, 0);
  assert.equal((await negotiate(server, { ciphers, compressions: [1] })).cipher, undefined);
  assert.equal((await negotiate(server, { ciphers, heartbeat: true })).extensions.includes(0x000f), false);
  assert.ok((await negotiate(server, { ciphers })).extensions.includes(0xff01), 'renegotiation is secured (RFC 5746)');

  const socket = tls.connect({ port: server.port, ca: authority.ca, maxVersion: 'TLSv1.2' });
  await once(socket, 'secureConnect');
  const refused = new Promise((resolve) => {
    socket.on('error', resolve);
    socket.renegotiate({}, resolve);
  });
  assert.match(String(await within(refused, 'the end of a renegotiation')), /no.renegotiation/i);
  socket.destroy();
});

/** `openssl s_client` with these options and this input; all it prints. */
function sClient(server, options, input = 'Q\n') {
  return new Promise((resolve) => {
    const words = ['s_client', '-connect', `127.0.0.1:${server.port}`, ...options];
    const child = execFile('openssl', words, { timeout: 20_000 }, (_, stdout, stderr) => resolve(stdout + stderr));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

tlsTest('openssl s_client', { names: ['DNS:localhost'] }, async (server, authority) => {
  const verified = ['-CAfile', authority.caFile, '-verify_return_error', '-verify_hostname', 'localhost', '-servername', 'localhost'];
  for (const [version, name] of [['-tls1_2', 'TLSv1.2'], ['-tls1_3', 'TLSv1.3']]) {
    const text = await sClient(server, [version, ...verified]);
    assert.match(text, new RegExp(`^New, ${name}, Cipher is `, 'm'));
    assert.match(text, /^Verification: OK$/m);
    assert.match(text, /^Compression: NONE$/m);
    assert.match(text, /^Peer signature type: ECDSA$/m);
  }
  const request = 'GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const session = path.join(authority.directory, 'session');
  assert.match(await sClient(server, ['-tls1_3', '-ign_eof', '-sess_out', session], request), /^ *Max Early Data: 0$/m);
  assert.match(await sClient(server, ['-tls1_3', '-sess_in', session, '-early_data', authority.caFile]), /^Reused, [^]*^Early data was not sent$/m);
  for (const version of ['-tls1', '-tls1_1'])
    assert.match(await sClient(server, [version, '-cipher', 'ALL:@SECLEVEL=0']), /Cipher is \(NONE\)/);
  assert.match(await sClient(server, ['-alpn', 'h2,http/1.1']), /^ALPN protocol: http\/1\.1$/m);
  assert.match(await sClient(server, ['-alpn', 'h2']), /no application protocol/);
  assert.match(await sClient(server, []), /^No ALPN negotiated$/m);
  for (const version of ['-tls1_2', '-tls1_3']) {
    const text = await sClient(server, [version, '-ign_eof'], request);
    assert.match(text, /"status":"ok"/);
    assert.doesNotMatch(text, /unexpected eof/, 'the end is told inside TLS');
  }
});

const garbage = [
  ['nothing that is TLS', Buffer.from('\x00\x01\x02\x03 hello there, is anybody at home?')],
  ['a hello of SSL 2', Buffer.from('802e0100020015000000100700c0050080030080010080080080060040040080020080', 'hex')],
  ['a record that is too long', Buffer.concat([Buffer.from('160301ffff', 'hex'), Buffer.alloc(20_000, 1)])],
  ['a hello that promises 16 MiB', Buffer.concat([Buffer.from('160301400001fffffc0303', 'hex'), Buffer.alloc(16_381)])],
  ['data before a handshake', Buffer.from('1703030005hello', 'latin1')],
  ['an alert', Buffer.from('15030100020228', 'hex')],
];

tlsTest('who speaks no TLS', { 'tls.handshake_timeout': '500ms' }, async (server) => {
  let failed = 0;
  for (const request of ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'POST /server/v1/project/1/orders HTTP/1.0\r\n\r\n{}']) {
    const answer = (await answerTo(server, request)).toString();
    assert.match(answer, /^HTTP\/1\.1 400 [^]*\r\nConnection: close\r\n\r\nThis address speaks https\.\n$/);
    failed++;
  }
  for (const [what, bytes] of garbage) {
    const answer = await answerTo(server, bytes);
    assert.ok(answer.length === 0 || answer[0] === 21, `${what}: ${answer.toString('latin1')}`);
    failed++;
  }
  const hello = clientHello({ ciphers: GOOD.ecdsa });
  for (const bytes of [Buffer.alloc(0), hello.subarray(0, 1), hello.subarray(0, -1)]) {
    assert.equal((await answerTo(server, bytes)).length, 0, 'a handshake that stalls ends in silence');
    failed++;
  }
  /* In the middle, and at once. */
  for (const bytes of [hello.subarray(0, 20), hello]) {
    const socket = net.connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.end(bytes);
    socket.resume();
    failed++;
  }
  await until(async () => (await failures(server)) === failed, `${failed} failed handshakes`);
  const plain = { data: server.data, backendUrl: server.url.replace('https', 'http') };
  await assert.rejects(command(plain, 'project', 'list'), /HTTP status 400: This address speaks https\./);
  await until(async () => (await server.metric('connections')) === 1, 'the end of all but the one that asks');
});
