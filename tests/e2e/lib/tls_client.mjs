// SPDX-License-Identifier: Apache-2.0
// A buyer's client in a process of its own, for a server at https://: node reads NODE_EXTRA_CA_CERTS when it
// starts. Arguments: one JSON object. A line for each status: "source status". With a `transport` it is the SDK, else
// the tracker, which polls unless it is `live`.
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';
import { trackOrder } from '../../../client/tracker.mjs';
import { EventSource } from './eventsource.mjs';
import { Page } from './page.mjs';

const { transport, protobuf, live, ...options } = JSON.parse(process.argv[2]);
const say = (source, status) => process.stdout.write(`${source} ${status}\n`);

async function follow({ url, token, projectId }) {
  const base = transport === 'websocket' ? url.replace('http', 'ws') : url;
  const page = new Page({ own() {} }, { auth: token, project_id: projectId }, {
    url: [{ transport, endpoint: `${base}/connection/${transport}` }],
    protobuf,
    emulationEndpoint: `${url}/emulation`,
    eventsource: EventSource,
  });
  for (let status; status !== 'done';) {
    ({ status } = await page.statuses.next());
    say(transport, status);
  }
  page.destroy();
}

if (transport) await follow(options);
else
  await trackOrder({
    ...options,
    ...(live && { Centrifuge, centrifugeOptions: { websocket: WebSocket } }),
    pollInterval: 50,
    onStatus: (status, source) => say(source, status),
    onFallback: (reason) => say('fallback', reason),
  });
