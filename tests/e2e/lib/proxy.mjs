// SPDX-License-Identifier: Apache-2.0
// A network with faults: TCP from a fixed address to wherever the server is at the moment.
import net from 'node:net';

export class Proxy {
  #sockets = new Set();
  /** New connections are answered with 503. */
  refusing = false;
  /** What clients say after a request's head gets lost. */
  deaf = false;

  static async open(server) {
    const proxy = server.own(new Proxy());
    proxy.own = (resource) => server.own(resource);
    proxy.listener = net.createServer((near) => proxy.#join(near, server.port));
    await new Promise((resolve) => proxy.listener.listen(0, '127.0.0.1', resolve));
    proxy.port = proxy.listener.address().port;
    proxy.url = `http://127.0.0.1:${proxy.port}`;
    proxy.websocketUrl = `ws://127.0.0.1:${proxy.port}/connection/websocket`;
    return proxy;
  }

  #join(near, port) {
    this.#keep(near);
    if (this.refusing) {
      near.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      near.resume();
      return;
    }
    const far = net.connect(port, '127.0.0.1');
    this.#keep(far);
    near.hangUp = (bytes) => {
      far.removeAllListeners('data').removeAllListeners('close').destroy();
      this.#sockets.delete(far);
      near.end(bytes);
    };
    let inHead = true;
    near.on('data', (chunk) => {
      if (inHead || !this.deaf) far.write(chunk);
      if (chunk.includes('\r\n\r\n')) inHead = false;
    });
    far.on('data', (chunk) => !near.isMute && near.write(chunk));
    near.on('close', () => far.destroySoon());
    far.on('close', () => near.destroySoon());
  }

  #keep(socket) {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }

  /** What the server says on the connections that stand gets lost. */
  mute() {
    for (const socket of this.#sockets) socket.isMute = true;
  }

  /** All connections end, and these are the last bytes that clients hear, as if the server had said them. */
  hangUp(bytes) {
    for (const socket of this.#sockets) socket.hangUp?.(bytes);
  }

  /** All connections end without a word. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async destroy() {
    this.cut();
    await new Promise((resolve) => this.listener.close(resolve));
  }
}
