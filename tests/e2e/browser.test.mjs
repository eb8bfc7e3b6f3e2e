// SPDX-License-Identifier: Apache-2.0
// A page of another origin in a headless Chromium: the SDK's builds for browsers over each transport, and the
// browser's own EventSource, whose rules for CORS and for streams no imitation has.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Project } from './lib/api.mjs';
import { browserPath, connect, launchBrowser, seesAll, shop } from './lib/browser.mjs';
import { short, until } from './lib/events.mjs';
import { Server } from './lib/server.mjs';

const LOAD_MS = short ? 60_000 : 30_000;
const dist = new URL('./node_modules/centrifuge/dist/', import.meta.url).pathname;
const SETTINGS = { 'realtime.ping_interval': '1s', 'realtime.pong_timeout': '500ms' };

const KINDS = [
  { transport: 'websocket' },
  { transport: 'websocket', protobuf: true },
  { transport: 'http_stream' },
  { transport: 'http_stream', protobuf: true },
  { transport: 'sse' },
];

/** In the page: Get order; its status, or why there is none. */
async function getOrder({ url, token }) {
  try {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    return (await answer.json()).status;
  } catch (error) {
    return String(error);
  }
}

/** In the page: follows its user with nothing but the browser. */
function follow({ url, data }) {
  globalThis.seen = [];
  globalThis.pings = 0;
  const query = encodeURIComponent(JSON.stringify({ data }));
  const source = new EventSource(`${url}/connection/uni_sse?cf_connect=${query}`);
  source.onmessage = ({ data: text }) => {
    const message = JSON.parse(text);
    if (message.pub) globalThis.seen.push(message.pub.data.status);
    if (text === '{}') globalThis.pings++;
  };
}

test('a browser on a page of another origin', { skip: !browserPath && 'there is no Chromium' }, async (t) => {
  const server = await Server.start(SETTINGS);
  const origin = await shop();
  let browser;
  try {
    browser = await launchBrowser();
    let id = 1000;
    const open = async (script) => {
      const page = await browser.newPage();
      const faults = [];
      page.on('pageerror', (error) => faults.push(String(error)));
      page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
      await page.goto(`http://127.0.0.1:${origin.address().port}/`, { timeout: LOAD_MS });
      if (script) await page.addScriptTag({ path: path.join(dist, script) });
      const project = await Project.create(server, ++id);
      const { order_id } = await project.create('u1');
      const data = { auth: project.token('u1'), project_id: project.id };
      return { page, project, faults, orderId: order_id, data };
    };
    for (const kind of KINDS) {
      await t.test(`${kind.transport}${kind.protobuf ? ' in Protobuf' : ''}`, async () => {
        const script = kind.protobuf ? 'centrifuge.protobuf.js' : 'centrifuge.js';
        const { page, project, faults, orderId, data } = await open(script);
        await page.evaluate(connect, { url: server.url, ...kind, data });
        await seesAll(page, project, orderId);
        assert.equal(await page.evaluate(() => globalThis.rpc()), 108);
        assert.equal(await page.evaluate(() => globalThis.connecting), 1);
        assert.deepEqual(faults, []);
        await page.close();
      });
    }
    await t.test('a project that allows this origin, and one that allows another', async () => {
      const here = `http://127.0.0.1:${origin.address().port}`;
      const { page, project, faults, orderId, data } = await open('centrifuge.js');
      const order = { url: `${server.url}/api/v2/project/${project.id}/order/${orderId}`, token: data.auth };
      await project.change({ allowed_origins: [here] });
      await page.evaluate(connect, { url: server.url, transport: 'websocket', data });
      await seesAll(page, project, orderId);
      assert.equal(await page.evaluate(getOrder, order), 'done');
      assert.deepEqual(faults, []);

      await project.change({ allowed_origins: ['https://*.shop.example'] });
      assert.match(await page.evaluate(getOrder, order), /^TypeError/);
      for (const transport of ['websocket', 'http_stream', 'sse']) {
        await page.evaluate(connect, { url: server.url, transport, data });
        assert.equal(await page.evaluate(() => globalThis.disconnected), 3507, transport);
        assert.deepEqual(await page.evaluate(() => globalThis.seen), []);
      }
      await page.close();
    });
    await t.test('EventSource', async () => {
      const { page, project, faults, orderId, data } = await open();
      await page.evaluate(follow, { url: server.url, data });
      await seesAll(page, project, orderId);
      await until(() => page.evaluate(() => globalThis.pings >= 2), 'pings');
      assert.deepEqual(faults, []);
      await page.close();
    });
    await server.stop();
  } catch (error) {
    server.showLog();
    throw error;
  } finally {
    await browser?.close();
    await server.destroy();
    origin.closeAllConnections();
    await new Promise((resolve) => origin.close(resolve));
  }
});
