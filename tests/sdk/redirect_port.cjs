// SPDX-License-Identifier: Apache-2.0
// Preloaded into a process whose code has an address built in (NODE_OPTIONS=--require): what it connects to on
// localhost:8000 goes to 127.0.0.1 and the port of ORDERWIRE_SDK_PORT, and nothing may leave this machine.
const net = require('node:net');

const port = Number(process.env.ORDERWIRE_SDK_PORT);
const { connect } = net.Socket.prototype;

net.Socket.prototype.connect = function redirected(...args) {
  // net.connect() gives its arguments in one array, [options, callback].
  const [options] = Array.isArray(args[0]) ? args[0] : args;
  if (typeof options === 'object' && !options.path) {
    if (options.host !== 'localhost') throw new Error(`a connection to ${options.host} is not part of this run`);
    if (Number(options.port) === 8000) Object.assign(options, { host: '127.0.0.1', port });
  }
  return connect.apply(this, args);
};
