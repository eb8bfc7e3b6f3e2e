// SPDX-License-Identifier: Apache-2.0
// The page of `orderwire demo` in a headless Chromium: the order that it follows goes from new to done
// before one's eyes. The demo keeps its page only on a terminal, so it is given one by script(1).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { browserPath, find, launchBrowser } from './lib/browser.mjs';
import { deferred, short, within } from './lib/events.mjs';
import { binary, cleanEnvironment } from './lib/server.mjs';

const LOAD_MS = short ? 60_000 : 30_000;

/** `orderwire demo` on a terminal; its page's address once it is printed. */
class Demo {
  output = '';
  #address = deferred();
  #exited = deferred();

  constructor(data) {
    const words = [binary, 'demo', '--data', data, '--listen', '127.0.0.1:0'].map((word) => `'${word}'`);
    this.child = spawn('script', ['--quiet', '--return', '--flush', '--command', `exec ${words.join(' ')}`, '/dev/null'], {
      env: { ...cleanEnvironment(), SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.on('error', (error) => this.#address.reject(error));
    this.child.on('close', (code) => {
      this.#address.reject(new Error(`the demo ended with ${code}:\n${this.output}`));
      this.#exited.resolve(code);
    });
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      this.output += text;
      const match = /(http:\/\/127\.0\.0\.1:\d+\/demo#\S+)\r?\n/.exec(this.output);
      if (match) this.#address.resolve(match[1]);
    });
  }

  address() {
    return within(this.#address.promise, 'the address of the page', LOAD_MS);
  }

  /** Ctrl-C; the exit code. */
  stop() {
    this.child.stdin.write('\x03');
    return within(this.#exited.promise, 'the demo to end after Ctrl-C');
  }
}

/** Waits until the page has shown every step, with the way on which it was told. */
async function follow(page) {
  await page.waitForFunction(() => document.body.dataset.status === 'done', null, { timeout: LOAD_MS });
  const rows = await page.$$eval('#timeline li', (items) => items.map(({ dataset }) => ({ ...dataset })));
  assert.deepEqual(rows.map((row) => row.status), ['new', 'paid', 'done']);
  for (const row of rows) assert.match(row.source, /^(publication|history)$/);
  assert.equal(rows[1].source, 'publication');
  await page.waitForSelector('#next:not([hidden])', { timeout: LOAD_MS });
  assert.match(await page.textContent('#items'), /\S/, 'what was bought comes from Get order');
  assert.match(await page.textContent('#connection'), /^Closed/);
}

function skipReason() {
  if (!browserPath) return 'there is no Chromium';
  if (!find('script')) return 'there is no script(1) to give the demo a terminal';
  return false;
}

test('the page follows its order to the end', { skip: skipReason() }, async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'orderwire-demo-page-'));
  const demo = new Demo(path.join(folder, 'data'));
  let browser;
  try {
    const address = await demo.address();
    browser = await launchBrowser();
    const page = await browser.newPage();
    const faults = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    const frames = [];
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => frames.push(payload)));
    await page.goto(address, { timeout: LOAD_MS });
    await follow(page);
    await page.screenshot({ path: path.join(folder, 'done.png'), fullPage: true });
    const order = Number(/\border=(\d+)/.exec(address)[1]);
    const pushed = frames.map((text) => JSON.parse(text).push?.pub.data).filter((data) => data?.order_id === order);
    assert.deepEqual(pushed.map((data) => data.status), ['new', 'paid', 'done'], 'what the socket brought');
    assert.deepEqual(faults, []);
    await page.close();
    assert.equal(await demo.stop(), 0, demo.output);
    assert.match(demo.output, /Every channel showed every status, in order\./);
    assert.match(demo.output, /\nStopped\.\r?\n/);
    assert.doesNotMatch(demo.output, /audit/);
  } catch (error) {
    process.stderr.write(demo.output);
    throw error;
  } finally {
    await browser?.close();
    demo.child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
});
