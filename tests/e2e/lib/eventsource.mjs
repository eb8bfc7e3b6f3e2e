// SPDX-License-Identifier: Apache-2.0
// EventSource as the HTML standard has it, as far as a server of messages can tell: node 20 has none. It
// does not come back by itself.

/** The `data` of each event of a body's text, by the standard's rules for lines. */
export async function* events(body) {
  let text = '';
  let data = [];
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split(/\r\n|\n|\r/);
    text = lines.pop();
    for (const line of lines) {
      const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
      if (line === '' && data.length > 0) yield data.join('\n');
      if (line === '') data = [];
      if (field === 'data') data.push(value);
    }
  }
}

export class EventSource {
  #controller = new AbortController();

  constructor(url) {
    this.#run(url).catch((error) => {
      if (!this.#controller.signal.aborted) this.onerror?.(error);
    });
  }

  async #run(url) {
    const response = await fetch(url, {
      headers: { accept: 'text/event-stream' },
      signal: this.#controller.signal,
    });
    const type = response.headers.get('content-type') ?? '';
    if (response.status !== 200 || !/^text\/event-stream\b/.test(type))
      throw new Error(`${response.status} ${type}`);
    this.onopen?.({ type: 'open' });
    for await (const data of events(response.body)) this.onmessage?.({ type: 'message', data });
    throw new Error('the connection ended');
  }

  close() {
    this.#controller.abort();
  }
}
