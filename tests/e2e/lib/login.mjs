// SPDX-License-Identifier: Apache-2.0
// A login service: key pairs and tokens by jose, and the URL where it publishes its keys.
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import * as jose from 'jose';

/** A key pair of an algorithm; `jwk` is what a login service publishes. */
export async function keyPair(alg, kid = alg) {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg);
  return { alg, kid, privateKey, jwk: { ...(await jose.exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

export function sign(claims, { alg, kid, privateKey }) {
  return new jose.SignJWT(claims).setProtectedHeader({ alg, kid }).sign(privateKey);
}

export class LoginService {
  requests = [];
  keys = [];
  /** `{status, headers, body}` instead of the keys; a promise holds the answer. */
  answer = undefined;
  #sockets = new Set();

  static async open(server, { tls, port = 0 } = {}) {
    const service = server.own(new LoginService());
    service.listener = (tls ? https : http).createServer(tls ?? {}, (request, response) =>
      service.#take(request, response),
    );
    service.listener.on('connection', (socket) => {
      service.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => service.#sockets.delete(socket));
    });
    service.listener.on('tlsClientError', () => {});
    service.listener.listen(port, '127.0.0.1');
    await once(service.listener, 'listening');
    service.origin = `${tls ? 'https' : 'http'}://127.0.0.1:${service.listener.address().port}`;
    service.url = `${service.origin}/keys.json`;
    return service;
  }

  async #take(request, response) {
    this.requests.push({ method: request.method, url: request.url, headers: request.headers });
    const { status = 200, headers = {}, body } = (await this.answer) ?? {};
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body ?? JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }));
  }

  async close() {
    this.listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
