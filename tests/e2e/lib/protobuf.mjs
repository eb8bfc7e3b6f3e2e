// SPDX-License-Identifier: Apache-2.0
// The Centrifuge protocol in Protobuf over a WebSocket, by protobufjs, which shares no line with the server's
// implementation. Whatever it cannot read completely is an error.
import assert from 'node:assert/strict';
import protobuf from 'protobufjs';
import WebSocket from 'ws';
import { deferred, Inbox, within } from './events.mjs';

const file = new URL('../../../src/codec/centrifuge.proto', import.meta.url).pathname;
const root = await new protobuf.Root().load(file, { keepCase: true });
export const Command = root.lookupType('wire.Command');
/** The requests' further fields and `ping`, which the server's own file leaves out. */
export const UNKNOWN = 'unknown';
root.lookupType('wire.Nothing').add(new protobuf.Field(UNKNOWN, 1, 'bytes'));
root.lookupType('wire.ChannelRequest').add(new protobuf.Field(UNKNOWN, 2, 'bytes'));
Command.add(new protobuf.Field('ping', 11, 'Nothing'));
export const EmulationRequest = root.lookupType('wire.EmulationRequest');
const Reply = root.lookupType('wire.Reply');

/** A message with its length before it. */
export const delimited = (message) => Buffer.from(Command.encodeDelimited(message).finish());

const OBJECTS = { longs: Number, bytes: Buffer, defaults: false };

/** The replies of a frame as plain objects; a map's entries become an object. Empty ones are pings. */
export function decodeReplies(frame) {
  const reader = protobuf.Reader.create(frame);
  const replies = [];
  while (reader.pos < reader.len) {
    const end = reader.uint32() + reader.pos;
    assert.ok(end <= reader.len, 'a message is cut off');
    const message = Reply.decode(reader, end - reader.pos);
    assert.equal(reader.pos, end);
    const reply = Reply.toObject(message, OBJECTS);
    const subs = reply.connect?.subs;
    if (subs) reply.connect.subs = Object.fromEntries(subs.map(({ key, value }) => [key, value]));
    replies.push(reply);
  }
  return replies;
}

export class ProtobufSocket {
  inbox = new Inbox();
  pings = 0;
  #closed = deferred();

  static async open(server, { subprotocols = ['centrifuge-protobuf'], query = '', answerPings = true } = {}) {
    const socket = server.own(new ProtobufSocket());
    const opened = deferred();
    socket.ws = new WebSocket(server.websocketUrl + query, subprotocols);
    socket.ws.on('open', opened.resolve);
    socket.ws.on('error', opened.reject);
    socket.ws.on('message', (frame, isBinary) => {
      if (!isBinary) return socket.inbox.end(new Error('a text frame'));
      const replies = decodeReplies(frame);
      if (replies.length !== 1) socket.inbox.end(new Error(`${replies.length} replies in a frame`));
      if (frame.length === 1) {
        socket.pings++;
        if (answerPings) socket.ws.send(Buffer.from([0]));
        return undefined;
      }
      return socket.inbox.push(replies[0]);
    });
    socket.ws.on('close', (code, reason) => {
      socket.#closed.resolve({ code, reason: reason.toString() });
      socket.inbox.end(new Error(`closed with ${code} ${reason}`));
    });
    await within(opened.promise, 'the handshake');
    return socket;
  }

  send(...commands) {
    this.ws.send(Buffer.concat(commands.map((command) => (Buffer.isBuffer(command) ? command : delimited(command)))));
  }

  next(what) {
    return this.inbox.next(what);
  }

  async connect(data, { id = 1, subs } = {}) {
    this.send({ id, connect: { data: Buffer.from(JSON.stringify(data)), subs } });
    const reply = await this.next('the connect reply');
    assert.equal(reply.id, id);
    assert.ok(reply.connect, JSON.stringify(reply));
    const [[channel, sub]] = Object.entries(reply.connect.subs);
    return { ...reply.connect, channel, sub };
  }

  closed() {
    return within(this.#closed.promise, 'the end');
  }

  destroy() {
    this.ws.terminate();
  }
}
