// SPDX-License-Identifier: Apache-2.0
// JSON Web Tokens made by node's own cryptography, so that the server is not checked against itself.
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export const now = () => Math.floor(Date.now() / 1000);

/** Claims of a user as a login service writes them; those given win. */
export function userClaims(user, claims = {}) {
  return { sub: user, iat: now(), exp: now() + 3600, ...claims };
}

export function unsigned(header, claims) {
  return `${encode(header)}.${encode(claims)}`;
}

export function hs256(claims, secret, header = {}) {
  const text = unsigned({ alg: 'HS256', typ: 'JWT', ...header }, claims);
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

export function rs256(claims, privateKey, header = {}) {
  const text = unsigned({ alg: 'RS256', typ: 'JWT', ...header }, claims);
  return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey, 'base64url')}`;
}

/**
 * An RSA key with its public half as a JWK; `hex` writes n and e as Xsolla's login service does, in
 * hexadecimal digits.
 */
export function rsaKey(kid, { hex = false } = {}) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n, e } = publicKey.export({ format: 'jwk' });
  const write = (text) => (hex ? Buffer.from(text, 'base64url').toString('hex') : text);
  return { privateKey, jwk: { kty: 'RSA', alg: 'RS256', use: 'sig', kid, n: write(n), e: write(e) } };
}
