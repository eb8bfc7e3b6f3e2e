// SPDX-License-Identifier: Apache-2.0
// A server that speaks TLS, and a first message by hand that offers it whatever a test wants.
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { test } from 'node:test';
import { Authority } from './certificates.mjs';
import { within } from './events.mjs';
import { withServer } from './server.mjs';

/**
 * A test with a server that has a certificate for `names`; its metrics and the merchant's side are at a private
 * address without TLS unless `isPrivate` is false. `more(authority)` gives further settings. `body(server, authority, t)`; `authority.files('server', …)` renews the certificate.
 */
export function tlsTest(name, { names = ['IP:127.0.0.1', 'DNS:localhost'], rsa, skip, isPrivate = true, more = () => ({}), ...settings }, body) {
  test(name, { skip }, async (t) => {
    const authority = await Authority.create({ own: (resource) => (t.after(() => resource.destroy()), resource) });
    const { cert, key } = await authority.files('server', names, { rsa });
    const all = {
      ...(isPrivate && { listen_private: '127.0.0.1:0' }),
      'tls.cert_file': cert,
      'tls.key_file': key,
      ...(await more(authority)),
      ...settings,
    };
    await withServer(all, (server) => body(Object.assign(server, { ca: authority.ca }), authority, t));
  });
}

export const SSL3 = 0x0300;
export const TLS10 = 0x0301;
export const TLS11 = 0x0302;
export const TLS12 = 0x0303;
export const TLS13 = 0x0304;

const number = (value, size) => Buffer.from(value.toString(16).padStart(2 * size, '0'), 'hex');
const vector = (size, ...parts) => {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([number(bytes.length, size), bytes]);
};
const list = (size, values) => vector(size, ...values.map((value) => number(value, 2)));
const extension = (type, body) => Buffer.concat([number(type, 2), vector(2, body)]);

/* All that servers may want to sign with: ECDSA, EdDSA, RSA-PSS and RSA, SHA-1 too. */
const SIGNATURES = [0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201];
const X25519 = 0x001d;

/** A ClientHello in its record. In TLS 1.3 the version that counts stands in an extension. */
export function clientHello({ version = TLS12, ciphers, compressions = [0], renegotiation = true, heartbeat = false }) {
  const inner = Math.min(version, TLS12);
  const extensions = [
    extension(0x000a, list(2, [X25519, 0x0017, 0x0018, 0x0019])),
    extension(0x000b, vector(1, number(0, 1))),
    extension(0x000d, list(2, SIGNATURES)),
    ...(renegotiation ? [extension(0xff01, vector(1))] : []),
    ...(heartbeat ? [extension(0x000f, number(1, 1))] : []),
    ...(version < TLS13 ? [] : [
      extension(0x002b, list(1, [version])),
      extension(0x0033, vector(2, number(X25519, 2), vector(2, randomBytes(32)))),
    ]),
  ];
  const body = Buffer.concat([
    number(inner, 2),
    randomBytes(32),
    vector(1, version < TLS13 ? Buffer.alloc(0) : randomBytes(32)),
    list(2, ciphers),
    vector(1, ...compressions.map((one) => number(one, 1))),
    ...(version > SSL3 ? [vector(2, ...extensions)] : []),
  ]);
  const message = Buffer.concat([number(1, 1), vector(3, body)]);
  return Buffer.concat([number(22, 1), number(Math.min(inner, TLS10), 2), vector(2, message)]);
}

/** What the server says to `bytes` at first: until it ends the connection, or `isEnough`. */
export async function answerTo(server, bytes, isEnough = () => false) {
  const socket = net.connect(server.port, '127.0.0.1');
  let answer = Buffer.alloc(0);
  const ended = new Promise((resolve) => {
    socket.on('data', (more) => {
      answer = Buffer.concat([answer, more]);
      if (isEnough(answer)) resolve();
    });
    socket.on('error', resolve);
    socket.on('close', resolve);
  });
  socket.write(bytes);
  try {
    await within(ended, 'an answer');
  } finally {
    socket.destroy();
  }
  return answer;
}

/** The server's choice: {version, cipher, compression, extensions}, or {alert}, or {} when it just leaves. */
export async function negotiate(server, offer) {
  const whole = (bytes) => bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3);
  const answer = await answerTo(server, clientHello(offer), whole);
  if (!whole(answer)) return {};
  if (answer[0] === 21) return { alert: answer[6] };
  const body = answer.subarray(9);
  const session = body[34];
  const choice = body.subarray(35 + session);
  const result = { version: body.readUInt16BE(0), cipher: choice.readUInt16BE(0), compression: choice[2], extensions: [] };
  const end = answer.readUIntBE(6, 3);
  for (let at = 35 + session + 5; at < end;) {
    const type = body.readUInt16BE(at);
    result.extensions.push(type);
    if (type === 0x002b) result.version = body.readUInt16BE(at + 4);
    at += 4 + body.readUInt16BE(at + 2);
  }
  return result;
}
