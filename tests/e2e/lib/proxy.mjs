// SPDX-License-Identifier: Apache-2.0
// A network that can be cut: TCP from a fixed address to wherever the server is at the moment.
import net from 'node:net';

export class Proxy {
  #sockets = new Set();

  static async open(server) {
    const proxy = server.own(new Proxy());
    proxy.listener = net.createServer((near) => proxy.#join(near, server.port));
    await new Promise((resolve) => proxy.listener.listen(0, '127.0.0.1', resolve));
    proxy.port = proxy.listener.address().port;
    proxy.url = `http://127.0.0.1:${proxy.port}`;
    proxy.websocketUrl = `ws://127.0.0.1:${proxy.port}/connection/websocket`;
    return proxy;
  }

  #join(near, port) {
    const far = net.connect(port, '127.0.0.1');
    for (const [one, other] of [[near, far], [far, near]]) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
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
