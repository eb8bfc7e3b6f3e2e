// SPDX-License-Identifier: Apache-2.0
// The program's commands as a test runs them.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Inbox, within } from './events.mjs';
import { binary, cleanEnvironment } from './server.mjs';

/** Runs the program; never rejected. */
export function run(words, environment = {}) {
  return new Promise((resolve) => {
    execFile(binary, words, { env: { ...cleanEnvironment(), ...environment } }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
}

/** Runs it against a server, with its admin key; its exit code is 0 unless another is expected. What it printed, or said was wrong. */
export async function ask(server, words, { code = 0, trust = [], environment } = {}) {
  const answer = await run([...words, '--server', server.url, '--data', server.data, ...trust], environment);
  assert.equal(answer.code, code, `${words.join(' ')}: ${answer.stderr}${answer.stdout}`);
  if (code !== 0) assert.match(answer.stderr, /^orderwire: /);
  return code === 0 ? answer.stdout : answer.stderr;
}

/** `orderwire listen`, running: its lines as they come. */
export class Listen {
  lines = new Inbox();
  said = new Inbox();

  constructor(server, project, words, { url = server.url, data = server.data, environment = {} } = {}) {
    const all = ['listen', '--project', String(project.id), ...words, '--server', url, '--data', data];
    this.child = spawn(binary, all, { env: { ...cleanEnvironment(), ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = once(this.child, 'exit').then(([code, signal]) => code ?? signal);
    this.#cut(this.child.stdout, this.lines);
    this.#cut(this.child.stderr, this.said);
  }

  #cut(stream, inbox) {
    let text = '';
    stream.setEncoding('utf8').on('data', (bytes) => {
      text += bytes;
      const whole = text.split('\n');
      text = whole.pop();
      for (const line of whole) inbox.push(line);
    });
  }

  static async open(server, project, words, options) {
    const listen = server.own(new Listen(server, project, words, options));
    await listen.listening();
    return listen;
  }

  listening() {
    return this.said.find((line) => line.startsWith('Listening; '), 'listen to be ready');
  }

  async line() {
    return JSON.parse(await this.lines.next('a line of listen'));
  }

  async interrupt(signal = 'SIGINT') {
    this.child.kill(signal);
    return within(this.exited, 'the end of listen');
  }

  close() {
    this.child.kill('SIGKILL');
  }
}
