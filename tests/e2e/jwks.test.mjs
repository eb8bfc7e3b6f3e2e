// SPDX-License-Identifier: Apache-2.0
// Keys that a login service publishes at a URL: fetched, refreshed, kept when it is down, never shared
// between projects; and no stranger makes the server fetch more often than it wants to.
import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { call, Project } from './lib/api.mjs';
import { Authority } from './lib/certificates.mjs';
import { deferred, event, until } from './lib/events.mjs';
import { hs256, now, userClaims } from './lib/jwt.mjs';
import { keyPair, LoginService, sign } from './lib/login.mjs';
import { Page } from './lib/page.mjs';
import { serverTest, step } from './lib/server.mjs';

const quick = { 'tokens.jwks_interval': '100ms' };
const LOOPBACK = ['127.0.0.0/8'];

/** A project with order 1 of user u1, and verifiers for these login services. */
async function projectOf(server, id, ...verifiers) {
  const project = await Project.create(server, id);
  await project.create('u1', { order_id: 1 });
  await project.change({
    webhook_allow_cidrs: LOOPBACK,
    verifiers: verifiers.map((one) => ({ type: 'jwks_url', ...one })),
  });
  return project;
}

/** What Get order answers to a token of u1. */
async function statusOf(project, pair, claims = {}) {
  const token = project.server.secret(await sign(userClaims('u1', claims), pair));
  const answer = await project.getOrder(1, token);
  if (answer.status === 503) {
    assert.equal(answer.json.errorCode, 1533);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
  }
  return answer.status;
}

/** The first answer that is not 503: a client that comes back as it is told to. */
function verdict(project, pair, claims) {
  return until(async () => {
    const status = await statusOf(project, pair, claims);
    return status !== 503 && status;
  }, 'an answer other than 503');
}

serverTest('keys are there when the login service answers, not before', quick, async (server, t) => {
  const authority = await Authority.create(server);
  const service = await LoginService.open(server, { tls: await authority.issue(['IP:127.0.0.1']) });
  const [first, second] = [await keyPair('RS256', 'k1'), await keyPair('ES256', 'k2')];
  const gate = deferred();
  service.keys = [first];
  service.answer = gate.promise;
  const project = await projectOf(server, 77640, { url: service.url, ca: authority.ca });

  await step(t, server, 'a change of the project fetches without a token', async () => {
    await until(() => service.requests.length === 1, 'a request for the keys');
    const [{ method, headers }] = service.requests;
    assert.equal(method, 'GET');
    assert.equal(headers.authorization, undefined);
  });

  await step(t, server, 'until then: come back, on both ways', async () => {
    assert.equal(await statusOf(project, first), 503);
    assert.equal((await project.getOrder(1, project.token('u1'))).status, 200);
    assert.equal((await project.getOrder(1, hs256(userClaims('u1'), 'no secret of this project'))).status, 401);
    const auth = server.secret(await sign(userClaims('u1'), first));
    const page = server.own(new Page(server, { auth, project_id: project.id }));
    await event(page.client, 'error', { matches: ({ error }) => error.code === 100, what: 'error 100' });
    gate.resolve();
    await page.connected.next('the connection once the keys are there');
    assert.equal(page.disconnected.size, 0);
  });

  await step(t, server, 'what the operator sees', async () => {
    const { json } = await call(`${server.url}/admin/v1/projects/${project.id}`, {
      headers: { authorization: `Bearer ${server.adminKey}` },
    });
    const [{ key_count: count, fetched_at: at, url }] = json.settings.verifiers;
    assert.deepEqual([count, url], [1, service.url]);
    assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000, at);
  });

  await step(t, server, 'a new key serves without a restart, an old one that is gone does not', async () => {
    assert.equal(await statusOf(project, first), 200);
    service.keys = [first, second];
    assert.equal(await statusOf(project, second), 503);
    assert.equal(await verdict(project, second), 200);
    service.keys = [second];
    assert.equal(await statusOf(project, first), 200);
    await statusOf(project, await keyPair('ES256', 'k3'));
    const old = { iat: now() - 60 };
    await until(async () => (await statusOf(project, first, old)) === 401, 'the old key to be refused');
    assert.equal(await statusOf(project, second), 200);
  });
});

serverTest('a flood of unknown key ids is one request', { 'tokens.jwks_interval': '1h' }, async (server) => {
  const service = await LoginService.open(server);
  const pair = await keyPair('EdDSA', 'k1');
  service.keys = [pair];
  const project = await projectOf(server, 77640, { url: service.url, refresh: 1 });
  assert.equal(await verdict(project, pair), 200);
  const strangers = await keyPair('EdDSA', 'none');
  for (let i = 0; i < 200; i++) {
    const token = { ...strangers, kid: `bogus-${i}` };
    assert.equal(await statusOf(project, token), 503);
    // Made before the keys were fetched: it is proved that no key is its.
    assert.equal(await statusOf(project, token, { iat: now() - 3600 }), 401);
  }
  assert.equal(service.requests.length, 1);
  assert.equal(await statusOf(project, pair), 200);
});

serverTest('the last good keys outlive bad answers and a restart', quick, async (server, t) => {
  const service = await LoginService.open(server);
  const pair = await keyPair('RS256', 'k1');
  const other = await keyPair('RS256', 'k2');
  service.keys = [pair];
  const project = await projectOf(server, 77640, { url: service.url, refresh: 1 });
  assert.equal(await verdict(project, pair), 200);
  const failed = () => server.metric('jwks_fetches_total{result="failed"}');

  const answers = {
    'an error': { status: 500 },
    'another page': { body: '<html>' },
    'no keys': { body: '{"keys":[]}' },
    'a redirect': { status: 302, headers: { location: `${service.origin}/elsewhere` } },
    'too much': { body: JSON.stringify({ keys: [pair.jwk], more: 'x'.repeat(70_000) }) },
    'more keys than a set may have': { body: JSON.stringify(Array(33).fill(pair.jwk)) },
  };
  for (const [name, answer] of Object.entries(answers)) {
    await step(t, server, name, async () => {
      const before = await failed();
      service.answer = answer;
      await until(async () => (await failed()) > before, 'a fetch that fails');
      assert.equal(await statusOf(project, pair), 200);
      assert.equal(await statusOf(project, other), 503);
    });
  }

  await step(t, server, 'weak keys are passed over beside good ones', async () => {
    service.answer = { body: JSON.stringify([{ kty: 'RSA', kid: 'weak', n: 'AQAB', e: 'AQAB' }, other.jwk, pair.jwk]) };
    assert.equal(await verdict(project, other), 200);
    assert.equal(service.requests.some(({ url }) => url === '/elsewhere'), false);
  });

  await step(t, server, 'the login service is gone, and the server starts anew', async () => {
    await service.close();
    await server.stop();
    const folder = path.join(server.data, 'jwks');
    for (const name of await readdir(folder)) {
      assert.equal((await stat(path.join(folder, name))).mode & 0o777, 0o600);
    }
    await server.start();
    assert.equal(await statusOf(project, pair), 200);
    assert.equal(await statusOf(project, { ...pair, kid: 'k3' }), 503);
  });
});

serverTest('a new key under the id of the old one', quick, async (server) => {
  const service = await LoginService.open(server);
  const [old, fresh] = [await keyPair('RS256', 'main'), await keyPair('RS256', 'main')];
  service.keys = [old];
  const project = await projectOf(server, 77640, { url: service.url });
  await until(async () => (await server.metric('jwks_fetches_total{result="ok"}')) === 1, 'the keys');
  assert.equal(await statusOf(project, old), 200);
  service.keys = [fresh];
  assert.equal(await statusOf(project, fresh), 401);
  await until(async () => (await statusOf(project, fresh)) === 200, 'the new key to serve');
  assert.equal(await statusOf(project, old), 401);
});

serverTest('other networks for webhooks, while the login service is gone', quick, async (server) => {
  const authority = await Authority.create(server);
  const service = await LoginService.open(server, { tls: await authority.issue(['IP:127.0.0.1']) });
  const pair = await keyPair('RS256', 'k1');
  service.keys = [pair];
  const project = await projectOf(server, 77640, { url: service.url, ca: authority.ca });
  assert.equal(await verdict(project, pair), 200);
  await service.close();
  await project.change({ webhook_allow_cidrs: [...LOOPBACK, '10.0.0.0/8'] });
  assert.equal(await statusOf(project, pair), 200);
});

serverTest('two projects, one key id, two keys', quick, async (server, t) => {
  const [one, two] = [await LoginService.open(server), await LoginService.open(server)];
  const [mine, theirs] = [await keyPair('RS256', 'main'), await keyPair('RS256', 'main')];
  one.keys = [mine];
  two.keys = [theirs];
  const require = { iss: 'https://one.example' };
  const a = await projectOf(server, 1, { url: one.url, require });
  const b = await projectOf(server, 2, { url: two.url });
  const c = await projectOf(server, 3, { url: one.url });
  const old = { iat: now() - 3600 };

  await step(t, server, 'each accepts its own', async () => {
    assert.equal(await verdict(a, mine, require), 200);
    assert.equal(await verdict(b, theirs), 200);
    assert.equal(await verdict(c, mine), 200);
  });

  await step(t, server, "and not the other's, whatever was verified before", async () => {
    assert.equal(await statusOf(a, theirs, require), 401);
    assert.equal(await statusOf(b, mine), 401);
    assert.equal(await statusOf(a, mine), 401, 'without the claim that this project requires');
    assert.equal(await statusOf(a, mine, { ...require, ...old }), 200);
  });

  await step(t, server, 'a project that stops to trust a service does so at once', async () => {
    await c.change({ verifiers: null });
    assert.equal(await statusOf(c, mine), 401);
    assert.equal(await statusOf(a, mine, require), 200);
  });
});

serverTest('a URL that a project names no more is not asked', { ...quick, workers: 3 }, async (server) => {
  const [gone, stays] = [await LoginService.open(server), await LoginService.open(server)];
  const pair = await keyPair('EdDSA', 'k1');
  gone.keys = [pair];
  stays.keys = [pair];
  const project = await projectOf(server, 1, { url: gone.url, refresh: 1 });
  const other = await projectOf(server, 2, { url: stays.url, refresh: 1 });
  const fetched = (count) => until(() => stays.requests.length >= count, 'the other service to be asked');
  // Enough that every worker has looked at the settings; none but one hears of the change by a request.
  const tokens = Array.from({ length: 20 }, () => verdict(project, pair));
  assert.deepEqual([...new Set(await Promise.all(tokens))], [200]);
  assert.equal(await verdict(other, pair), 200);
  await project.change({ verifiers: null });
  // One may be on its way.
  await fetched(stays.requests.length + 1);
  const count = gone.requests.length;
  await fetched(stays.requests.length + 3);
  assert.equal(gone.requests.length, count);
});

serverTest('which addresses may be asked', quick, async (server, t) => {
  const service = await LoginService.open(server);
  const project = await Project.create(server);
  const change = (settings) =>
    call(`${server.url}/admin/v1/projects/${project.id}`, {
      method: 'PATCH',
      body: settings,
      headers: { authorization: `Bearer ${server.adminKey}` },
    });
  const refused = async (url, sentence, more = {}) => {
    const answer = await change({ verifiers: [{ type: 'jwks_url', url }], ...more });
    assert.equal(answer.status, 422, `${url}: ${answer.text}`);
    assert.match(answer.json.errorMessage, sentence);
  };

  await step(t, server, 'what the text alone tells is refused with a sentence', async () => {
    await refused(service.url, /webhook_allow_cidrs/);
    await refused('https://169.254.169.254/keys', /not an address of the public internet/);
    await refused('https://localhost/keys', /not an address of the public internet/);
    await refused('http://login.example/keys', /must begin with https/);
    await refused('file:///etc/passwd', /https:\/\//);
    await refused('https://user:password@login.example/', /password/);
  });

  await step(t, server, 'http goes to allowed networks alone', async () => {
    const failed = () => server.metric('jwks_fetches_total{result="failed"}');
    const before = await failed();
    const url = service.url.replace('127.0.0.1', '127.0.0.2');
    const answer = await change({
      webhook_allow_cidrs: ['10.0.0.0/8'],
      verifiers: [{ type: 'jwks_url', url: 'http://192.0.2.1/keys' }],
    });
    assert.equal(answer.status, 422, '192.0.2.0/24 is for documents');
    const open = await change({
      webhook_allow_cidrs: ['10.0.0.0/8'],
      verifiers: [{ type: 'jwks_url', url: 'http://1.1.1.1/keys' }],
    });
    assert.equal(open.status, 200, open.text);
    await until(async () => (await failed()) > before, 'a fetch that is not even tried');
    await refused(url, /not an address of the public internet/);
    assert.equal(service.requests.length, 0);
  });
});
