// SPDX-License-Identifier: Apache-2.0
// The demo page: follows the order that the address names after its '#', where no server sees it,
// with the same tracker that a shop would use, and shows each status with the way on which it came.
import { trackOrder } from '/demo/tracker.mjs';

const WORDS = { new: 'Created', paid: 'Paid', done: 'Delivered', canceled: 'Canceled' };
const SENTENCES = {
  new: 'The order is created; the payment is awaited.',
  paid: 'The payment has arrived; the order is on its way.',
  done: 'Everything is delivered. Thank you!',
  canceled: 'The order is canceled and the payment refunded.',
};
const WAYS = { publication: 'WebSocket, live', history: 'WebSocket, history', poll: 'Get order, polling' };

const element = (id) => document.getElementById(id);
let running = new AbortController();
let way = 'publication';

// The tracker asks for the history with the client it is given; what it reads from the answer, it
// reads before the next task.
class ObservedCentrifuge extends globalThis.Centrifuge {
  constructor(...options) {
    super(...options);
    this.on('connected', () => showConnection('websocket', 'WebSocket is open'));
  }

  async history(...options) {
    const answer = await super.history(...options);
    way = 'history';
    setTimeout(() => {
      way = 'publication';
    });
    return answer;
  }
}

function readAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const number = (name) => (/^[1-9]\d{0,9}$/.test(parameters.get(name) ?? '') ? Number(parameters.get(name)) : 0);
  return {
    projectId: number('project'),
    orderId: number('order'),
    token: parameters.get('token') ?? '',
    userExternalId: parameters.get('user') || undefined,
  };
}

function showConnection(state, text) {
  element('connection').dataset.state = state;
  element('connection').textContent = text;
}

function reset(order) {
  element('timeline').replaceChildren();
  element('nothing').hidden = false;
  element('content').hidden = true;
  element('next').hidden = true;
  element('title').textContent = order.orderId ? `Order ${order.orderId}` : 'Your order';
  if (order.userExternalId)
    element('subtitle').textContent = `of ${order.userExternalId} in project ${order.projectId}`;
  element('sentence').textContent = 'Asking for the order…';
  document.body.dataset.status = '';
  for (const step of element('steps').children) step.className = '';
  element('steps').lastElementChild.dataset.step = 'done';
  element('steps').lastElementChild.textContent = WORDS.done;
}

function showSteps(status) {
  const steps = [...element('steps').children];
  if (status === 'canceled') {
    steps.at(-1).dataset.step = 'canceled';
    steps.at(-1).textContent = WORDS.canceled;
  }
  const reached = steps.findIndex((step) => step.dataset.step === status);
  steps.forEach((step, index) => {
    const skipped = status === 'canceled' && index === 1 && !step.classList.contains('reached');
    step.classList.toggle('reached', index <= reached && !skipped);
    step.classList.toggle('done', status === 'done');
    step.classList.toggle('canceled', status === 'canceled' && index === reached);
    if (index === reached) step.setAttribute('aria-current', 'step');
    else step.removeAttribute('aria-current');
  });
}

function showStatus(status, source) {
  const told = source === 'poll' ? 'poll' : way;
  const now = new Date();
  const row = document.createElement('li');
  const time = document.createElement('time');
  const word = document.createElement('strong');
  const via = document.createElement('span');
  row.dataset.status = status;
  row.dataset.source = told;
  time.dateTime = now.toISOString();
  time.textContent = now.toLocaleTimeString([], { hourCycle: 'h23' });
  word.textContent = WORDS[status];
  via.className = 'via';
  via.textContent = WAYS[told];
  row.append(time, word, via);
  element('timeline').append(row);
  element('nothing').hidden = true;
  element('sentence').textContent = SENTENCES[status];
  document.body.dataset.status = status;
  showSteps(status);
}

function money(price) {
  return price ? `${price.amount} ${price.currency}` : '';
}

// The socket tells statuses alone, and nothing of an order that there is not; the rest comes from
// Get order.
async function askForContent(order, signal) {
  const address = `/api/v2/project/${order.projectId}/order/${order.orderId}`;
  const headers = { Authorization: `Bearer ${order.token}` };
  const response = await fetch(address, { headers, signal }).catch(() => undefined);
  const body = await response?.json().catch(() => undefined);
  if (response?.status >= 400 && response.status < 500) throw new Error(body?.errorMessage ?? 'The order is refused');
  if (!signal.aborted && body?.content) showContent(body.content);
}

function showContent(content) {
  const lines = content.items.map((item) => {
    const line = document.createElement('li');
    line.textContent = `${item.quantity} × ${item.sku}`;
    return line;
  });
  element('items').replaceChildren(...lines);
  element('price').textContent = content.is_free ? 'Free' : money(content.price);
  element('content').hidden = lines.length === 0;
}

function offerNext(order) {
  const parameters = new URLSearchParams(location.hash.slice(1));
  parameters.set('order', String(order.orderId + 1));
  element('next').firstElementChild.href = `#${parameters}`;
  element('next').hidden = false;
}

async function follow(order, signal) {
  showConnection('none', 'Connecting…');
  const tracked = trackOrder({
    ...order,
    Centrifuge: ObservedCentrifuge,
    url: location.origin,
    signal,
    onStatus: (status, source) => signal.aborted || showStatus(status, source),
    onFallback: (reason) => showConnection('poll', `Polling every 3 seconds: ${reason}`),
  });
  await Promise.all([tracked, askForContent(order, signal)]);
  showConnection('none', 'Closed: the order has reached its final status');
  offerNext(order);
}

async function start() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const order = readAddress();
  reset(order);
  if (!order.projectId || !order.orderId || !order.token) {
    element('sentence').textContent = 'This address names no order. Open the one that “orderwire demo” prints.';
    return;
  }
  try {
    await follow(order, signal);
  } catch (error) {
    if (signal.aborted) return;
    running.abort();
    element('sentence').textContent = error.message;
    showConnection('failed', 'The server refused');
  }
}

addEventListener('hashchange', start);
start();
