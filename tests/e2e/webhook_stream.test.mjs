// SPDX-License-Identifier: Apache-2.0
// Webhooks as a stream, GET …/webhooks/listen: who may hear it, what comes, and how it ends.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import WebSocket from 'ws';
import { call, Project } from './lib/api.mjs';
import { Inbox, within } from './lib/events.mjs';
import { serverTest, step } from './lib/server.mjs';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

async function projectWithSecret(server, id = 77640) {
  const project = await Project.create(server, id);
  await project.change({ webhook_secret: server.secret(SECRET) });
  return project;
}

class Stream {
  inbox = new Inbox();

  constructor(project, query = '', headers = {}) {
    const basic = Buffer.from(`${project.id}:${project.key}`).toString('base64');
    const url = `${project.server.url.replace('http', 'ws')}/server/v1/project/${project.id}/webhooks/listen${query}`;
    this.socket = new WebSocket(url, { headers: { authorization: `Basic ${basic}`, ...headers } });
    this.socket.on('message', (data, isBinary) => this.inbox.push({ isBinary, text: data.toString() }));
    this.closed = new Promise((resolve) => this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', resolve);
      this.socket.on('unexpected-response', (request, response) => {
        let text = '';
        response.on('data', (bytes) => { text += bytes; });
        response.on('end', () => reject(Object.assign(new Error(text), { status: response.statusCode })));
      });
      this.socket.on('error', reject);
    });
    this.opened.catch(() => {});
  }

  static async open(project, query, headers) {
    const stream = project.server.own(new Stream(project, query, headers));
    await within(stream.opened, 'the stream to open');
    return stream;
  }

  async message() {
    const { isBinary, text } = await this.inbox.next('a message of the stream');
    assert.equal(isBinary, false);
    return JSON.parse(text);
  }

  end() {
    return within(this.closed, 'the stream to end');
  }

  close() {
    this.socket.terminate();
  }
}

async function refused(project, query, headers) {
  const stream = new Stream(project, query, headers);
  const error = await within(stream.opened.then(() => assert.fail('it opened'), (reason) => reason), 'an answer');
  return { status: error.status, json: JSON.parse(error.message) };
}

serverTest('webhooks as a stream', {}, async (server, t) => {
  const project = await projectWithSecret(server);
  const other = await projectWithSecret(server, 77641);

  await step(t, server, 'each event of the project, signed as a webhook', async () => {
    const stream = await Stream.open(project);
    const stranger = await Stream.open(other);
    await project.create('u1', { order_id: 7, content: { items: [{ sku: 'sw\u00f6rd', quantity: 1 }] } });
    await project.create('u2', { order_id: 8 });
    await project.set(7, { content: { items: [] } });
    await project.set(7, 'done');
    const got = [];
    for (let i = 0; i < 4; i += 1) got.push(await stream.message());
    assert.deepEqual(got.map(({ type }) => type), ['order.new', 'order.new', 'order.paid', 'order.done']);
    for (const message of got) {
      assert.deepEqual(Object.keys(message), ['id', 'type', 'headers', 'body']);
      const verified = new Webhook(SECRET).verify(message.body, message.headers);
      assert.equal(verified.type, message.type);
      assert.equal(message.headers['webhook-id'], message.id);
      assert.equal(message.headers['Content-Type'], 'application/json');
    }
    assert.deepEqual(got.map(({ body }) => JSON.parse(body).data.order_id), [7, 8, 7, 7]);
    assert.deepEqual(got.map(({ body }) => JSON.parse(body).data.seq), [1, 1, 3, 4]);
    assert.equal(JSON.parse(got[3].body).data.status, 'done');
    assert.equal(new Set(got.map(({ id }) => id)).size, 4);
    await other.create('u1', { order_id: 1 });
    assert.equal(JSON.parse((await stranger.message()).body).data.order_id, 1);
    stream.close();
    stranger.close();
  });

  await step(t, server, 'the operator may listen, and the other preset', async () => {
    const stream = await Stream.open(project, '?preset=xsolla', { authorization: `Bearer ${server.adminKey}` });
    await project.create('u1', { order_id: 20, status: 'done' });
    const { type, headers, body } = await stream.message();
    assert.equal(type, 'order_paid');
    assert.equal(JSON.parse(body).notification_type, 'order_paid');
    assert.equal(headers.Authorization, `Signature ${createHash('sha1').update(body + SECRET).digest('hex')}`);
    await project.set(20, 'canceled');
    assert.equal((await stream.message()).type, 'order_canceled');
    stream.close();
  });

  await step(t, server, 'what is refused', async () => {
    assert.equal((await refused(project, '', { authorization: '' })).status, 401);
    assert.equal((await refused(other, '', { authorization: `Basic ${Buffer.from(`77641:${project.key}`).toString('base64')}` })).status, 401);
    assert.equal((await refused({ ...project, id: 9, server, key: 'x' })).status, 404);
    const preset = await refused(project, '?preset=other');
    assert.equal(preset.status, 422);
    assert.match(preset.json.errorMessage, /preset: expected standard or xsolla/);
    assert.equal((await project.request('GET', '/webhooks/listen')).status, 426);
    await other.change({ webhook_secret: null });
    const secret = await refused(other);
    assert.equal(secret.status, 422);
    assert.match(secret.json.errorMessage, /webhook_secret/);
  });

  await step(t, server, 'what a listener says is not listened to', async () => {
    const stream = await Stream.open(project);
    stream.socket.send('hello');
    stream.socket.ping();
    await project.create('u1', { order_id: 30 });
    assert.equal((await stream.message()).type, 'order.new');
    stream.close();
  });
});

serverTest('a listener whose key is deleted hears no more', {}, async (server) => {
  const project = await projectWithSecret(server);
  const asAdmin = (method, address, body) =>
    call(`${server.url}/admin/v1/projects/${project.id}/keys${address}`, {
      method, body, headers: { authorization: `Bearer ${server.adminKey}` },
    });
  const made = (await asAdmin('POST', '', { label: 'listener' })).json;
  server.secret(made.api_key);
  const stays = await Stream.open(project);
  const ends = await Stream.open({ ...project, server, key: made.api_key });
  await project.create('u1', { order_id: 1 });
  for (const stream of [stays, ends]) assert.equal((await stream.message()).type, 'order.new');
  assert.equal((await asAdmin('DELETE', `/${made.key_id}`)).status, 204);
  await project.set(1, 'paid');
  assert.equal((await stays.message()).type, 'order.paid');
  assert.deepEqual(await ends.end(), { code: 1008, reason: 'the key is not valid any more' });
  assert.equal(ends.inbox.size, 0);
});

serverTest('a listener that does not read is closed', { workers: 1 }, async (server) => {
  const project = await projectWithSecret(server);
  const stream = await Stream.open(project);
  stream.socket.pause();
  const item = { sku: 'x'.repeat(200), quantity: 1 };
  const content = { items: Array.from({ length: 60 }, () => item) };
  for (let round = 0; round < 12; round += 1) {
    const orders = Array.from({ length: 100 }, (_, i) => ({ order_id: round * 100 + i + 1, user_external_id: 'u', content }));
    await project.batch(orders);
  }
  stream.socket.resume();
  const { code } = await stream.end();
  assert.ok(code === 1008 || code === 1006, `closed with ${code}`);
  await project.create('u1', { order_id: 100_000 });
});

serverTest('listeners are told that the server stops', { drain_time: '2s' }, async (server) => {
  const project = await projectWithSecret(server);
  const stream = await Stream.open(project);
  const stopped = server.stop();
  assert.deepEqual(await stream.end(), { code: 1001, reason: 'the server stops' });
  await stopped;
  await server.start();
});
