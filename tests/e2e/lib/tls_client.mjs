// SPDX-License-Identifier: Apache-2.0
// A buyer's client in a process of its own, for a server at https://: node reads NODE_EXTRA_CA_CERTS when it
// starts. Arguments: one JSON object. A line for each status: "way status"; polled without a `way`.
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';
import { trackOrder } from '../../../client/tracker.mjs';

const { way, ...options } = JSON.parse(process.argv[2]);
const say = (source, status) => process.stdout.write(`${source} ${status}\n`);

function follow(transport) {
  const { url, token, projectId, orderId } = options;
  const client = new Centrifuge([{ transport, endpoint: `${url}/connection/${transport}` }], {
    emulationEndpoint: `${url}/emulation`,
    data: { auth: token, project_id: projectId },
  });
  return new Promise((resolve) => {
    client.on('publication', ({ data }) => {
      if (data.order_id !== orderId) return;
      say(transport, data.status);
      if (data.status === 'done') resolve();
    });
    client.on('disconnected', resolve);
    client.connect();
  }).finally(() => client.disconnect());
}

if (way === 'http_stream') await follow(way);
else
  await trackOrder({
    ...options,
    ...(way === 'websocket' && { Centrifuge, centrifugeOptions: { websocket: WebSocket } }),
    pollInterval: 50,
    onStatus: (status, source) => say(source, status),
    onFallback: (reason) => say('fallback', reason),
  });
