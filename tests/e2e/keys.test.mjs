// SPDX-License-Identifier: Apache-2.0
// Users' tokens made by jose, which knows nothing of this server, under keys of every kind.
import assert from 'node:assert/strict';
import * as jose from 'jose';
import { Project } from './lib/api.mjs';
import { userClaims } from './lib/jwt.mjs';
import { keyPair, sign } from './lib/login.mjs';
import { serverTest, step } from './lib/server.mjs';

const SECRET = 'a secret that is at least as long as the longest hash, so jose takes it';
const PUBLIC = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'EdDSA'];

serverTest('tokens of jose in every algorithm', {}, async (server, t) => {
  const project = await Project.create(server);
  const pairs = await Promise.all(PUBLIC.map((alg) => keyPair(alg)));
  const secret = new TextEncoder().encode(server.secret(SECRET));
  const statusOf = async (token) => (await project.getOrder(1, server.secret(token))).status;
  await project.create('u1', { order_id: 1 });

  for (const alg of ['HS256', 'HS384', 'HS512']) {
    await step(t, server, `${alg} by its own verifier and by no other`, async () => {
      const token = await sign(userClaims('u1'), { alg, privateKey: secret });
      for (const type of ['hs256', 'hs384', 'hs512']) {
        await project.change({ verifiers: [{ type, secret: SECRET }] });
        assert.equal(await statusOf(token), type === alg.toLowerCase() ? 200 : 401, type);
      }
    });
  }

  for (const withAlg of [true, false]) {
    await step(t, server, `public keys ${withAlg ? 'with' : 'without'} alg and kid`, async () => {
      const published = ({ jwk: { alg, kid, use, ...numbers } }) =>
        withAlg ? { ...numbers, alg, kid, use } : numbers;
      await project.change({ verifiers: [{ type: 'jwks', keys: pairs.map(published) }] });
      for (const pair of pairs) {
        assert.equal(await statusOf(await sign(userClaims('u1'), pair)), 200, pair.alg);
        const stranger = await keyPair(pair.alg);
        assert.equal(await statusOf(await sign(userClaims('u1'), stranger)), 401, pair.alg);
      }
    });
  }

  await step(t, server, "a public key's text is no HMAC secret", async () => {
    const [{ kid, jwk }] = pairs;
    const pem = await jose.exportSPKI(await jose.importJWK(jwk));
    for (const text of [pem, pem.trim(), JSON.stringify(jwk), jwk.n]) {
      const privateKey = new TextEncoder().encode(text);
      assert.equal(await statusOf(await sign(userClaims('u1'), { alg: 'HS256', kid, privateKey })), 401);
    }
  });
});
