// SPDX-License-Identifier: Apache-2.0
// The merchant's side of a test: a project made by the command line, and its calls over HTTP.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { until } from './events.mjs';
import { hs256, userClaims } from './jwt.mjs';
import { binary, cleanEnvironment } from './server.mjs';

const run = promisify(execFile);

/** Runs a command of the program against `server`; its standard output. */
export async function command(server, ...words) {
  const { stdout } = await run(binary, [...words, '--server', server.backendUrl, '--data', server.data], {
    env: cleanEnvironment(),
  });
  return stdout;
}

/** One HTTP call; `body` is sent as JSON unless it is text. */
export async function call(url, { method = 'GET', headers = {}, body } = {}) {
  const isText = typeof body === 'string';
  const response = await fetch(url, {
    method,
    headers: { ...(body !== undefined && !isText && { 'content-type': 'application/json' }), ...headers },
    body: body === undefined || isText ? body : JSON.stringify(body),
  });
  const text = await response.text();
  const isJson = /^application\/json\b/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

export class Project {
  static async create(server, id = 77640) {
    const project = new Project();
    const made = JSON.parse(await command(server, 'project', 'create', String(id), '--json'));
    assert.equal(made.project_id, id);
    Object.assign(project, { server, id, key: made.api_key, secret: made.user_token_secret });
    server.secret(project.key);
    server.secret(project.secret);
    return project;
  }

  /** One whose webhooks may go to receivers of the test. */
  static async withWebhooks(server, id) {
    const project = await Project.create(server, id);
    await project.change({ webhook_allow_cidrs: ['127.0.0.1/32', '::1/128'] });
    return project;
  }

  /** A user's JWT, made here. */
  token(user, claims) {
    return this.server.secret(hs256(userClaims(user, claims), this.secret));
  }

  async request(method, path, body, headers = {}) {
    const basic = Buffer.from(`${this.id}:${this.key}`).toString('base64');
    return call(`${this.server.backendUrl}/server/v1/project/${this.id}${path}`, {
      method,
      body,
      headers: { authorization: `Basic ${basic}`, ...headers },
    });
  }

  /** A new order; the answer's JSON. */
  async create(user, order = {}) {
    const answer = await this.request('POST', '/orders', { user_external_id: user, ...order });
    assert.equal(answer.status, 201, answer.text);
    this.server.secret(answer.json.token);
    return answer.json;
  }

  /** Changes an order; the answer's JSON. */
  async set(orderId, change) {
    const body = typeof change === 'string' ? { status: change } : change;
    const answer = await this.request('PATCH', `/orders/${orderId}`, body);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  /** Upserts many orders; one answer a line, all of them good. */
  async batch(orders) {
    const lines = orders.map((order) => JSON.stringify(order)).join('\n');
    const answer = await this.request('POST', '/orders/batch', lines, {
      'content-type': 'application/x-ndjson',
    });
    assert.equal(answer.status, 200, answer.text);
    const answers = answer.text.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.equal(answers.length, orders.length);
    for (const [i, one] of answers.entries())
      assert.equal(one.errorCode, undefined, `line ${i}: ${JSON.stringify(one)}`);
    return answers;
  }

  /** Changes the project's settings. */
  async change(settings) {
    const answer = await call(`${this.server.backendUrl}/admin/v1/projects/${this.id}`, {
      method: 'PATCH',
      body: settings,
      headers: { authorization: `Bearer ${this.server.adminKey}` },
    });
    assert.equal(answer.status, 200, answer.text);
  }

  /** A new webhook; its settings as the server shows them, with the secret. */
  async webhook(settings) {
    const answer = await this.request('POST', '/webhooks', { preset: 'standard', ...settings });
    assert.equal(answer.status, 201, answer.text);
    this.server.secret(answer.json.secret);
    return answer.json;
  }

  /** What a merchant reads; the answer's JSON. */
  async read(path) {
    const answer = await this.request('GET', path);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  /** One of a webhook's commands; the answer's JSON. */
  async command(path, body) {
    const answer = await this.request('POST', path, body);
    assert.ok(answer.status === 200 || answer.status === 202, `${path}: ${answer.text}`);
    return answer.json;
  }

  /** The order's deliveries with their attempts, of one endpoint or all. */
  async deliveries(orderId, endpointId) {
    const { deliveries } = await this.read(`/orders/${orderId}`);
    return deliveries.filter((one) => endpointId === undefined || one.endpoint_id === endpointId);
  }

  /** A delivery, once it is in this state. */
  async delivery(id, state) {
    let last;
    const reached = async () => {
      last = await this.read(`/deliveries/${id}`);
      return last.state === state && last;
    };
    return until(reached, `delivery ${id} to be ${state}`).catch((error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(last)}`);
    });
  }

  /** Get order, as a buyer's client calls it. */
  async getOrder(orderId, token, { headers = {}, query = '' } = {}) {
    return call(`${this.server.url}/api/v2/project/${this.id}/order/${orderId}${query}`, {
      headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers },
    });
  }
}
