// SPDX-License-Identifier: Apache-2.0
// The older socket, /sub/order/status, with the trackers that still use it.
import assert from 'node:assert/strict';
import { command, Project } from './lib/api.mjs';
import { until } from './lib/events.mjs';
import {
  LegacyAndroidTracker,
  LegacyCocosTracker,
  LegacyUnityTracker,
  LegacyUnrealTracker,
} from './lib/legacy_trackers.mjs';
import { RawWebSocket } from './lib/raw.mjs';
import { serverTest } from './lib/server.mjs';

const engines = {
  Android: LegacyAndroidTracker,
  Cocos: LegacyCocosTracker,
  Unity: LegacyUnityTracker,
  Unreal: LegacyUnrealTracker,
};

async function allowing(server) {
  const project = await Project.create(server);
  await project.change({ legacy_socket: true });
  return project;
}

async function begin(server, project, engine, options) {
  const { order_id, token } = await project.create('u1');
  const tracker = new engines[engine](server, { project, orderId: order_id, token, ...options });
  await tracker.start();
  await tracker.sees('new');
  return { order_id, tracker };
}

async function refusal(server, query) {
  const socket = await RawWebSocket.open(server, { path: `/sub/order/status${query}`, mayFail: true });
  return { status: socket.handshake.status, ...JSON.parse(socket.handshake.text || '{}') };
}

for (const engine of Object.keys(engines)) {
  serverTest(`${engine}: done, and canceled`, {}, async (server) => {
    const project = await allowing(server);
    for (const last of ['done', 'canceled']) {
      const { order_id, tracker } = await begin(server, project, engine);
      const other = await project.create('u1');
      await project.set(order_id, 'paid');
      await project.set(other.order_id, 'done');
      await project.set(order_id, last);
      assert.deepEqual(await tracker.result(), { status: last, via: 'socket' });
      assert.deepEqual(tracker.statuses, ['new', 'paid', last]);
      await until(async () => (await server.metric('sessions')) === 0, 'the end of the session');
    }
  });

  serverTest(`${engine}: a server that goes away`, {}, async (server) => {
    const project = await allowing(server);
    const { tracker } = await begin(server, project, engine);
    assert.equal(await server.metric('sessions'), 1);
    tracker.poll = async () => (tracker.polling = true);
    await server.stop();
    await until(() => tracker.polling, 'polling');
    assert.deepEqual(tracker.closed, { code: 3001, reason: 'shutdown' });
    await server.start();
  });

  serverTest(`${engine}: a socket as old as the client lets it become`, { 'realtime.max_lifetime': '1s' }, async (server) => {
    const project = await allowing(server);
    const { order_id, tracker } = await begin(server, project, engine, { life: 200 });
    const polls = engine === 'Android';
    if (polls) await until(() => tracker.polling, 'polling');
    else await until(() => tracker.sockets.length >= 3, 'the third socket');
    await project.set(order_id, 'paid');
    await tracker.sees('paid');
    await project.set(order_id, 'done');
    assert.deepEqual(await tracker.result(), { status: 'done', via: polls ? 'polling' : 'socket' });
    assert.deepEqual(new Set(tracker.statuses), new Set(['new', 'paid', 'done']));
    if (polls) assert.equal((await tracker.socket.closed()).code, 4002);
  });

  serverTest(`${engine}: a socket that the server ends first`, { 'realtime.max_lifetime': '500ms' }, async (server) => {
    const project = await allowing(server);
    const { order_id, tracker } = await begin(server, project, engine);
    await until(() => tracker.polling, 'polling');
    assert.deepEqual(tracker.closed, { code: 3005, reason: 'connection expired' });
    await project.set(order_id, 'done');
    assert.deepEqual(await tracker.result(), { status: 'done', via: 'polling' });
  });
}

serverTest('who does not allow it has no such address', {}, async (server) => {
  const project = await Project.create(server);
  const { order_id } = await project.create('u1');
  const query = `?order_id=${order_id}&project_id=${project.id}`;
  const nothing = { status: 404, statusCode: 404, errorCode: 1040 };
  const refused = async (text, wanted) => {
    const { status, statusCode, errorCode } = await refusal(server, text);
    assert.deepEqual({ status, statusCode, errorCode }, wanted, text);
  };
  await refused(query, nothing);
  await refused('?order_id=1&project_id=1', nothing);
  await refused('', nothing);
  await command(server, 'project', 'set', String(project.id), '--legacy-socket', 'true');
  const { status } = await refusal(server, `${query}&key=${server.secret('never-in-a-log')}`);
  assert.equal(status, 101);
  await refused(`?order_id=${order_id + 1}&project_id=${project.id}`, { status: 404, statusCode: 404, errorCode: 9001 });
  await command(server, 'project', 'set', String(project.id), '--legacy-socket', 'false');
  await refused(query, nothing);
});

serverTest('strangers on the older socket do not use up the connections of the user', {
  'limits.connections_per_user': '1',
}, async (server) => {
  const project = await allowing(server);
  const { order_id, token } = await project.create('u1');
  const path = `/sub/order/status?order_id=${order_id}&project_id=${project.id}`;
  const stranger = await RawWebSocket.open(server, { path });
  assert.deepEqual(await stranger.next(), { order_id, status: 'new' });
  const another = await RawWebSocket.open(server, { path });
  assert.deepEqual(await another.closed(), { code: 3013, reason: 'too many requests' });
  const user = await RawWebSocket.open(server);
  await user.connect({ auth: token, project_id: project.id });
  stranger.destroy();
  await until(async () => (await server.metric('sessions')) === 1, 'the end of the stranger');
  assert.deepEqual(await (await RawWebSocket.open(server, { path })).next(), { order_id, status: 'new' });
});

serverTest('a status that changes while the socket opens comes once', {}, async (server) => {
  const project = await allowing(server);
  const all = ['new', 'paid', 'done'];
  for (let round = 0; round < 40; round++) {
    const { order_id, token } = await project.create(`u${round % 3}`);
    const tracker = new LegacyCocosTracker(server, { project, orderId: order_id, token });
    const opening = round % 2 === 0 ? tracker.start() : null;
    const paid = project.set(order_id, 'paid');
    await (opening ?? tracker.start());
    await paid;
    await project.set(order_id, 'done');
    assert.equal((await tracker.result()).via, 'socket');
    assert.deepEqual(tracker.statuses, all.slice(-tracker.statuses.length));
  }
});
