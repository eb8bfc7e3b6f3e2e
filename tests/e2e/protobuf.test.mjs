// SPDX-License-Identifier: Apache-2.0
// The Protobuf encoding against an implementation that is not ours, byte by byte where encoders differ.
import assert from 'node:assert/strict';
import { Project } from './lib/api.mjs';
import { until } from './lib/events.mjs';
import { decodeReplies, delimited, EmulationRequest, ProtobufSocket } from './lib/protobuf.mjs';
import { serverTest, step } from './lib/server.mjs';

const data = (project, user) => ({ auth: project.token(user), project_id: project.id });
const hex = (text) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const status = (publication) => JSON.parse(publication.data);

const PINGS = { 'realtime.ping_interval': '1s', 'realtime.pong_timeout': '500ms' };

serverTest('every message, read and written by protobufjs', PINGS, async (server, t) => {
  const project = await Project.create(server);
  const { order_id } = await project.create('u1');
  const socket = await ProtobufSocket.open(server);
  assert.equal(socket.ws.protocol, 'centrifuge-protobuf');
  const { client, version, ping, pong, channel, sub } = await socket.connect(data(project, 'u1'));
  assert.match(client, /^[0-9a-f-]{36}$/);
  assert.match(version, /^\d+\.\d+/);
  assert.deepEqual([ping, pong], [1, true]);
  assert.equal(channel, `orders:${project.id}#u1`);
  const { epoch } = sub;
  assert.deepEqual(sub, { recoverable: true, positioned: true, epoch, offset: 1 });

  await step(t, server, 'publications', async () => {
    const latest = (await socket.next()).push;
    assert.deepEqual(status(latest.pub), { order_id, status: 'new' });
    assert.equal(latest.pub.offset, undefined);
    await project.set(order_id, 'paid');
    const { push } = await socket.next();
    assert.equal(push.channel, channel);
    assert.equal(push.pub.offset, 2);
    assert.deepEqual(status(push.pub), { order_id, status: 'paid' });
  });

  await step(t, server, 'history, in the forms in which encoders write it', async () => {
    const name = Buffer.from(channel);
    const body = (end) => Buffer.concat([Buffer.from([0x0a, name.length]), name, hex(end)]);
    const command = (id, end) => {
      const request = body(end);
      const bytes = Buffer.concat([Buffer.from([0x08, id, 0x52, request.length]), request]);
      return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    };
    const minusOne = '38 ff ff ff ff ff ff ff ff ff 01';
    for (const [id, end, expected] of [
      [2, `${minusOne} 42 02 08 00`, [1, 2]], // the JavaScript SDK: an explicit offset 0
      [3, `${minusOne} 42 00`, [1, 2]], // Go and Python: an empty submessage
      [4, `42 02 08 01 ${minusOne}`, [2]], // in another order
      [5, '', []], // no limit: the position alone
      [6, `${minusOne} 48 01`, [2, 1]], // reverse
      [7, `${minusOne} a8 06 01 fa 06 02 61 62 9d 07 01 02 03 04`, [1, 2]], // fields that nobody knows
      [8, '38 ff ff ff ff 0f', [1, 2]], // -1 as five bytes
    ]) {
      socket.send(command(id, end));
      const { id: answered, history, ...rest } = await socket.next(`the history ${id}`);
      assert.deepEqual(rest, {});
      assert.equal(answered, id);
      assert.deepEqual([history.offset, history.epoch], [2, epoch]);
      assert.deepEqual((history.publications ?? []).map(({ offset }) => offset), expected, `id ${id}`);
    }
  });

  await step(t, server, 'several commands in a frame, and the errors', async () => {
    socket.send(
      { id: 20, rpc: {} },
      hex('00'),
      { id: 21, presence: { channel } },
      { id: 22, subscribe: { channel } },
      { id: 23, publish: { channel } },
      { id: 24, history: { channel, limit: 1, since: { offset: 1, epoch: 'another' } } },
      { id: 4294967295, unsubscribe: { channel } },
    );
    for (const [id, code, message] of [
      [20, 108, 'not available'],
      [21, 108, 'not available'],
      [22, 105, 'already subscribed'],
      [23, 103, 'permission denied'],
      [24, 112, 'unrecoverable position'],
    ])
      assert.deepEqual(await socket.next(), { id, error: { code, message } });
    assert.deepEqual(await socket.next(), { id: 4294967295, unsubscribe: {} });
  });

  await step(t, server, 'pings and pongs', async () => {
    await until(() => socket.pings >= 3, 'three pings');
    assert.equal(socket.inbox.size, 0);
    assert.equal(socket.ws.readyState, socket.ws.OPEN);
  });

  await step(t, server, 'recovery', async () => {
    socket.destroy();
    await project.set(order_id, 'done');
    const again = await ProtobufSocket.open(server);
    const position = { key: channel, value: { recover: true, offset: 1, epoch } };
    const { sub: recovered } = await again.connect(data(project, 'u1'), { id: 30, subs: [position] });
    const { publications, ...rest } = recovered;
    assert.deepEqual(rest, {
      recoverable: true,
      positioned: true,
      recovered: true,
      was_recovering: true,
      offset: 1,
      epoch,
    });
    assert.deepEqual(publications.map((one) => [one.offset, status(one).status]), [[2, 'paid'], [3, 'done']]);

    const other = await ProtobufSocket.open(server);
    const lost = { key: channel, value: { recover: true, offset: 1, epoch: 'another' } };
    const { sub: fresh } = await other.connect(data(project, 'u1'), { subs: [lost] });
    assert.deepEqual(fresh, { recoverable: true, positioned: true, was_recovering: true, offset: 3, epoch });
  });
});

serverTest('how Protobuf is asked for, and how it is refused', {}, async (server, t) => {
  const project = await Project.create(server);
  await step(t, server, 'by the query', async () => {
    for (const query of ['?format=protobuf', '?cf_protocol=protobuf']) {
      const socket = await ProtobufSocket.open(server, { subprotocols: [], query });
      assert.equal(socket.ws.protocol, '');
      await socket.connect(data(project, 'u1'));
    }
  });
  for (const [name, frame, code] of [
    ['credentials', delimited({ id: 1, connect: { data: Buffer.from('{"auth":"a","project_id":1}') } }), 3499],
    ['data that is no JSON', delimited({ id: 1, connect: { data: Buffer.from('{') } }), 3501],
    ['an empty frame', Buffer.alloc(0), 3501],
    ['a pong before all', hex('00'), 3501],
    ['a command before connect', delimited({ id: 1, rpc: {} }), 3501],
    ['a length that is too large', hex('7f 08 01'), 3501],
    ['a length without an end', hex('ff ff ff ff ff ff ff ff ff ff ff'), 3501],
    ['bytes that are no message', hex('03 0a 05 61'), 3501],
  ])
    await step(t, server, name, async () => {
      const socket = await ProtobufSocket.open(server);
      socket.ws.send(frame);
      const closed = await socket.closed();
      assert.equal(closed.code, code);
      assert.match(closed.reason, /^[a-z ]+$/);
    });
});

serverTest('http_stream and /emulation in Protobuf', {}, async (server) => {
  const project = await Project.create(server);
  const headers = { 'content-type': 'application/octet-stream' };
  const command = { id: 1, connect: { data: Buffer.from(JSON.stringify(data(project, 'u1'))) } };
  const response = await fetch(`${server.url}/connection/http_stream`, {
    method: 'POST',
    headers,
    body: delimited(command),
  });
  assert.equal(response.headers.get('content-type'), 'application/octet-stream');
  const reader = response.body.getReader();
  const next = async () => decodeReplies((await reader.read()).value);
  const [{ connect }] = await next();
  const { session, node } = connect;
  const body = EmulationRequest.encode({ session, node, data: delimited({ id: 2, rpc: {} }) }).finish();
  const posted = await fetch(`${server.url}/emulation`, { method: 'POST', headers, body });
  assert.equal(posted.status, 204);
  assert.deepEqual(await next(), [{ id: 2, error: { code: 108, message: 'not available' } }]);
  await server.stop();
  assert.deepEqual(await next(), [{ push: { disconnect: { code: 3001, reason: 'shutdown' } } }]);
  assert.equal((await reader.read()).done, true);
});
