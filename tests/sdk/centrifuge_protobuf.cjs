// SPDX-License-Identifier: Apache-2.0
// Takes the place of the SDK's `./centrifuge` (jest's moduleNameMapper), so that the cases which the SDK writes for
// JSON alone run in Protobuf as well. The SDK's own Protobuf client extends what is exported first; its modules import
// each other in a circle and hold on to this very object.
const path = require('node:path');

const source = path.join(process.cwd(), 'src');
const json = require(path.join(source, 'centrifuge'));

Object.assign(module.exports, json);
module.exports.Centrifuge = require(path.join(source, 'protobuf')).Centrifuge;
