// SPDX-License-Identifier: Apache-2.0
// A headless Chromium, where there is one, and what tests do in its pages.
import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { until } from './events.mjs';

/** The first of `names` in PATH. */
export function find(...names) {
  for (const name of names) {
    for (const folder of process.env.PATH.split(path.delimiter)) {
      const file = path.join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        continue;
      }
    }
  }
  return undefined;
}

export const browserPath = find('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable');

export async function launchBrowser(...more) {
  return chromium.launch({
    executablePath: browserPath,
    args: [
      ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...more,
    ],
  });
}

/** An empty page, of an origin that is not the server's; with {cert, key} at https. */
export async function shop(pair) {
  const answer = (_, response) => response.setHeader('content-type', 'text/html').end('<title>shop</title>');
  const http = pair ? https.createServer(pair, answer) : createServer(answer);
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  return http;
}

/** In the page: follows its user with the SDK. */
export function connect({ url, transport, protobuf, data }) {
  const base = transport === 'websocket' ? url.replace('http', 'ws') : url;
  const encode = (value) => new TextEncoder().encode(JSON.stringify(value));
  const read = (value) => (protobuf ? JSON.parse(new TextDecoder().decode(value)) : value);
  globalThis.seen = [];
  globalThis.connecting = 0;
  const client = new globalThis.Centrifuge([{ transport, endpoint: `${base}/connection/${transport}` }], {
    emulationEndpoint: `${url}/emulation`,
    data: protobuf ? encode(data) : data,
  });
  client.on('publication', (ctx) => globalThis.seen.push(read(ctx.data).status));
  client.on('connecting', () => globalThis.connecting++);
  globalThis.disconnected = new Promise((resolve) => client.on('disconnected', ({ code }) => resolve(code)));
  client.connect();
  globalThis.rpc = () => client.rpc('method', protobuf ? encode({}) : {}).catch((error) => error.code);
}

/** All statuses of an order, as the page sees them come. */
export async function seesAll(page, project, orderId) {
  const seen = () => page.evaluate(() => globalThis.seen);
  for (const [count, status] of [[1, null], [2, 'paid'], [3, 'done']]) {
    if (status) await project.set(orderId, status);
    await until(async () => (await seen()).length >= count, `${count} statuses`);
  }
  assert.deepEqual(await seen(), ['new', 'paid', 'done']);
}
