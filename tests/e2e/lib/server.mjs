// SPDX-License-Identifier: Apache-2.0
// The real program, one for each test: its own data directory, a port of the system's choice, and an
// end by SIGTERM that must be clean. Its log is shown only when the test has failed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { deferred, within } from './events.mjs';

export const binary =
  process.env.ORDERWIRE_BINARY ??
  new URL('../../../build/orderwire', import.meta.url).pathname;

const LOG_KEPT = 200_000;

/** The environment without what would configure the server. */
export function cleanEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('ORDERWIRE_')),
  );
}

/** All clients of a test come from one address. */
const ONE_ADDRESS = {
  'limits.connections_per_address': 0, 'limits.handshakes_per_address': 0, 'limits.requests_per_address': 0,
};

export class Server {
  #child = null;
  #exited = null;
  #log = '';
  #owned = [];
  #secrets = new Set();
  #arguments = [];
  #lines = 1;
  #up = deferred();

  /** Runs with `settings` (configuration keys), in a new data directory. */
  static async start(settings = {}) {
    const server = new Server();
    server.data = await mkdtemp(path.join(tmpdir(), 'orderwire-e2e-'));
    const all = { workers: 2, drain_time: '200ms', 'log.level': 'debug', ...ONE_ADDRESS, ...settings };
    server.#lines = 1 + ['listen_private', 'listen_redirect'].filter((key) => all[key]).length;
    server.#arguments = ['serve', '--data', server.data, '--listen', '127.0.0.1:0'];
    for (const [key, value] of Object.entries(all)) server.#arguments.push('--set', `${key}=${value}`);
    try {
      await server.start();
    } catch (error) {
      server.showLog();
      await server.destroy();
      throw error;
    }
    return server;
  }

  /** Starts it, or starts it again on the same data; the port changes. A second address is `privateUrl`. */
  async start(environment = {}) {
    const child = spawn(binary, this.#arguments, {
      env: { ...cleanEnvironment(), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = deferred();
    const listening = deferred();
    let output = '';
    let listened = false;
    this.#child = child;
    this.#exited = exited.promise;
    child.on('error', (error) => {
      listening.reject(error);
      exited.resolve({ code: null, signal: error.message });
    });
    child.on('exit', () => listened && (this.#up = deferred()));
    child.on('close', (code, signal) => {
      listening.reject(new Error(`the server ended with ${code ?? signal} before it listened`));
      exited.resolve({ code, signal });
    });
    child.stderr.setEncoding('utf8').on('data', (text) => this.#keepLog(text));
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      const lines = output.split('\n').slice(0, -1);
      if (lines.length === this.#lines) listening.resolve(lines);
    });
    const [line, ...more] = await within(listening.promise, 'the server to listen');
    for (const other of more) {
      const [, name, url] = /^(\w+) on (\S+)$/.exec(other) ?? assert.fail(other);
      this[`${name}Url`] = url;
    }
    const match = /^listening on (https?:\/\/127\.0\.0\.1:(\d+)|unix:\S+)$/.exec(line);
    assert.ok(match, `the first line on standard output: ${line}`);
    this.url = match[1];
    this.port = Number(match[2]);
    listened = true;
    this.#up.resolve();
  }

  /** Comes when it is there, which after an end is the next start. */
  get up() {
    return this.#up.promise;
  }

  #keepLog(text) {
    this.#log += text;
    for (const secret of this.#secrets)
      if (this.#log.includes(secret)) this.leaked ??= secret;
    if (this.#log.length > LOG_KEPT) this.#log = this.#log.slice(-LOG_KEPT / 2);
  }

  get log() {
    return this.#log;
  }

  /** SIGHUP. */
  reload() {
    this.#child.kill('SIGHUP');
  }

  get pid() {
    return this.#child.pid;
  }

  /** Where the merchant's and the operator's side is. */
  get backendUrl() {
    return this.privateUrl ?? this.url;
  }

  get websocketUrl() {
    return `${this.url.replace('http', 'ws')}/connection/websocket`;
  }

  get adminKey() {
    return readFileSync(path.join(this.data, 'admin.key'), 'utf8').trim();
  }

  /** `close()` or `destroy()` of it is called when the test is over. Returns it. */
  own(resource) {
    this.#owned.push(resource);
    return resource;
  }

  /** No line of the log may hold it. Returns it. */
  secret(text) {
    this.#secrets.add(text);
    return text;
  }

  showLog() {
    if (this.#log) process.stderr.write(`--- log of the server ---\n${this.#log}---\n`);
  }

  /** SIGTERM: it drains and exits with 0, and no secret was in its log. */
  async stop() {
    this.#child.kill('SIGTERM');
    const { code, signal } = await within(this.#exited, 'the server to end after SIGTERM');
    assert.equal(signal, null, `the server was ended by ${signal}`);
    assert.equal(code, 0, `the server ended with ${code}`);
    assert.equal(this.leaked, undefined, 'a secret was logged');
  }

  /** kill -9. */
  async kill() {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** It ends by itself, by one of `signals`: a fault was asked for. By which. */
  async died(what = 'the fault', signals = ['SIGKILL']) {
    const { signal } = await within(this.#exited, what);
    assert.ok(signals.includes(signal), `the server was ended by ${signal}`);
    return signal;
  }

  async #disown() {
    for (const resource of this.#owned.splice(0)) await (resource.destroy ?? resource.close).call(resource);
  }

  /** Whatever became of the test, nothing is left. */
  async destroy() {
    await this.#disown();
    if (this.#child) await this.kill();
    await rm(this.data, { recursive: true, force: true });
  }

  /** A number out of /proc, in KiB: "VmRSS", "VmHWM". */
  memory(field) {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)[1]);
  }

  /** One number of /metrics, by its name with labels. */
  async metric(name) {
    const text = await (await fetch(`${this.backendUrl}/metrics`)).text();
    const line = text.split('\n').find((row) => row.startsWith(`orderwire_${name} `));
    assert.ok(line, `the metric ${name}`);
    return Number(line.split(' ').pop());
  }
}

/** A server of these settings for `body(server)`, which must end well with it. */
export async function withServer(settings, body) {
  const server = await Server.start(settings);
  try {
    await body(server);
    await server.stop();
    assert.equal(server.failed, undefined, 'a part has failed');
  } catch (error) {
    server.showLog();
    throw error;
  } finally {
    await server.destroy();
  }
}

/** A test with a server of its own: `body(server, t)`. */
export function serverTest(name, settings, body) {
  test(name, (t) => withServer(settings, (server) => body(server, t)));
}

/** A part of a test; its failure fails the whole at the end. */
export async function step(t, server, name, body) {
  let failure;
  await t.test(name, async () => {
    try {
      await body();
    } catch (error) {
      failure = error;
      throw error;
    }
  });
  if (failure) server.failed ??= name;
}
