// SPDX-License-Identifier: Apache-2.0
// Follows one order to its end, in a browser or in Node.js 18 and later, with the official centrifuge-js
// client: open it together with the payment. It listens to publications, asks for the history as soon
// as it is subscribed, closes the socket at the final status, and asks for the order every few
// seconds when the socket ends, fails, or has used up its lifetime.

const RANKS = { new: 0, paid: 1, done: 2, canceled: 3 };
const FINAL = new Set(['done', 'canceled']);
const POLL_INTERVAL = 3000;
const SOCKET_LIFETIME = 5 * 60 * 1000;
const ANSWER_TIMEOUT = 10000;

/**
 * @param {object} options
 * @param {Function} [options.Centrifuge] the constructor of centrifuge-js; without it the order is polled
 * @param {string} options.url the server, "https://orders.example.com"
 * @param {number} options.projectId
 * @param {number} options.orderId
 * @param {string} options.token the user's JWT, or the order's payment token
 * @param {string} [options.userExternalId]
 * @param {(status: string, source: 'websocket' | 'poll') => void} [options.onStatus] each status once, in rising order
 * @param {(reason: string) => void} [options.onFallback] the socket is over, polling begins
 * @param {number} [options.pollInterval] ms between an answer and the next question
 * @param {number} [options.socketLifetime] ms
 * @param {object} [options.centrifugeOptions] more options of centrifuge-js, such as `websocket` in Node.js
 * @param {typeof fetch} [options.fetch]
 * @param {AbortSignal} [options.signal] gives up: the promise is rejected with its reason
 * @returns {Promise<'done' | 'canceled'>} rejected when the server refuses to tell (HTTP status 4xx),
 *   with its sentence as the message and the status as `error.status`
 */
export async function trackOrder(options) {
  const tell = teller(options.onStatus);
  options.signal?.throwIfAborted();
  if (options.Centrifuge) {
    const { status, reason } = await followSocket(options, tell);
    options.signal?.throwIfAborted();
    if (status) return status;
    options.onFallback?.(reason);
  }
  return followPolling(options, tell);
}

// Publications, history and polling overlap; only a status above the last one is news.
function teller(onStatus) {
  let rank = -1;
  return (status, source) => {
    if (!Object.hasOwn(RANKS, status) || RANKS[status] <= rank) return false;
    rank = RANKS[status];
    onStatus?.(status, source);
    return FINAL.has(status);
  };
}

// Resolves with the final status, or with the reason why there will be none on this way.
function followSocket(options, tell) {
  const { Centrifuge, url, projectId, orderId, token, userExternalId, signal } = options;
  const data = { auth: token, project_id: projectId };
  if (userExternalId !== undefined) data.user_external_id = userExternalId;
  return new Promise((resolve) => {
    const address = base(url).replace(/^http/, 'ws') + '/connection/websocket';
    const client = new Centrifuge(address, { ...options.centrifugeOptions, data });
    let over = false;
    const end = (result) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      client.disconnect();
      resolve(result);
    };
    const abort = () => end({ reason: 'aborted' });
    const timer = setTimeout(
      () => end({ reason: 'the lifetime of the socket is over' }),
      options.socketLifetime ?? SOCKET_LIFETIME,
    );
    const take = (publication) => {
      const { order_id: id, status } = publication.data ?? {};
      if (!over && id === orderId && tell(status, 'websocket')) end({ status });
    };
    client.on('publication', take);
    client.on('subscribed', (context) => {
      client.history(context.channel, { limit: -1, since: { offset: 0 }, reverse: false }).then(
        (history) => history.publications.forEach(take),
        (error) => end({ reason: `no history: ${error.message}` }),
      );
    });
    // Code 0 is our own call of connect(); any other means that the connection was lost.
    client.on('connecting', ({ code, reason }) => code !== 0 && end({ reason: `${code} ${reason}` }));
    client.on('disconnected', ({ code, reason }) => end({ reason: `${code} ${reason}` }));
    client.on('error', ({ error }) => end({ reason: error?.message ?? 'connection failed' }));
    signal?.addEventListener('abort', abort);
    try {
      client.connect();
    } catch (error) {
      end({ reason: error.message }); // Node.js before 22 has no WebSocket of its own
    }
  });
}

async function followPolling(options, tell) {
  const { url, projectId, orderId, token, signal } = options;
  const request = {
    address: `${base(url)}/api/v2/project/${projectId}/order/${orderId}`,
    headers: { Authorization: `Bearer ${token}` },
    fetch: options.fetch ?? globalThis.fetch,
    signal,
  };
  for (;;) {
    const status = await ask(request);
    if (tell(status, 'poll')) return status;
    await pause(options.pollInterval ?? POLL_INTERVAL, signal);
  }
}

// The order's status; undefined when it has not changed, and when asking again may help.
async function ask(request) {
  const { address, headers, fetch, signal } = request;
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT);
  const forward = new AbortController();
  const cancel = () => forward.abort();
  timeout.addEventListener('abort', cancel);
  signal?.addEventListener('abort', cancel);
  let answer;
  try {
    const response = await fetch(address, { headers, signal: forward.signal });
    const tag = response.headers.get('etag');
    const body = await response.json().catch(() => undefined);
    if (response.status === 200 && body && tag) headers['If-None-Match'] = tag;
    answer = { code: response.status, body };
  } catch {
    signal?.throwIfAborted();
    return undefined;
  } finally {
    timeout.removeEventListener('abort', cancel);
    signal?.removeEventListener('abort', cancel);
  }
  if (answer.code >= 400 && answer.code < 500 && answer.code !== 408 && answer.code !== 429) {
    const words = answer.body?.errorMessage ?? `the server answered with HTTP status ${answer.code}`;
    throw Object.assign(new Error(words), { status: answer.code });
  }
  return answer.code === 200 ? answer.body?.status : undefined;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

function base(url) {
  return url.replace(/\/+$/, '');
}
