// SPDX-License-Identifier: Apache-2.0
// The script of the order-status page that the product is built from, with the official client.
import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import WebSocket from 'ws';
import { Inbox } from './events.mjs';

/** The application's JSON, which Protobuf brings as bytes. */
const read = (data) => (data instanceof Uint8Array ? JSON.parse(Buffer.from(data)) : data);

/**
 * What the page does, step by step: connect with `data`, listen to publications, ask for the history
 * once subscribed. With `protobuf` it is the SDK's Protobuf build. Each event goes into an inbox of its kind.
 */
export class Page {
  statuses = new Inbox(); // {order_id, status} with the publication's offset
  histories = new Inbox(); // an array of the same
  subscribed = new Inbox();
  connecting = new Inbox();
  connected = new Inbox();
  disconnected = new Inbox();
  errors = [];

  constructor(server, data, { url = server.websocketUrl, protobuf = false, ...options } = {}) {
    const Client = protobuf ? ProtobufCentrifuge : Centrifuge;
    this.client = new Client(url, {
      data: protobuf ? Buffer.from(JSON.stringify(data)) : data,
      websocket: WebSocket,
      ...options,
    });
    const client = this.client;
    client.on('publication', (ctx) => {
      this.statuses.push({ ...read(ctx.data), offset: ctx.offset, channel: ctx.channel });
    });
    client.on('subscribed', (ctx) => {
      this.subscribed.push(ctx);
      client.history(ctx.channel, { limit: -1, since: { offset: 0 }, reverse: false }).then(
        (resp) => {
          const past = resp.publications.map((publication) => ({ ...read(publication.data), offset: publication.offset }));
          this.histories.push(past);
        },
        (err) => this.errors.push(err),
      );
    });
    for (const name of ['connecting', 'connected', 'disconnected'])
      client.on(name, (ctx) => this[name].push(ctx));
    server.own(this);
    client.connect();
  }

  destroy() {
    this.client.disconnect();
  }
}
