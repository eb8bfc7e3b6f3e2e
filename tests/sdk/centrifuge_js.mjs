// SPDX-License-Identifier: Apache-2.0
// Runs the test files of centrifuge-js itself, unmodified, against this server, and prints a table of its cases:
//   node tests/sdk/centrifuge_js.mjs --checkout DIR     (or CENTRIFUGE_JS=DIR)
// DIR is a checkout of github.com/centrifugal/centrifuge-js. The packages that its tests need are installed into it
// from npm when they are missing. Everything stays on this machine: redirect_port.cjs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { Project } from '../e2e/lib/api.mjs';
import { cleanEnvironment, Server } from '../e2e/lib/server.mjs';

const SKIPPED = 77; // tests/CMakeLists.txt
const PROJECT = 77640;

const SUBSCRIBES = 'subscribes to channels of its choice; here the server alone decides who hears what (error 103)';
const CLIENT_ONLY = 'asks no server';
const NOT_OFFERED = 'a feature of the reference server that this product does not have';

/** Cases of the two files that are run. What is in no row is expected to pass. */
const notApplicable = {
  'subscribe and unsubscribe': SUBSCRIBES,
  'publish and receive message': `${SUBSCRIBES}, and buyers do not publish (103)`,
  'subscribe and presence': `${SUBSCRIBES}, and there is no presence (108)`,
  'subscribe and unsubscribe loop': `${SUBSCRIBES}, and there is no presence (108)`,
  'unsubscribe right after connect': SUBSCRIBES,
  'unsubscribe in between connect command and reply': SUBSCRIBES,
  'connects and subscribes with token': SUBSCRIBES,
  'subscribes and unsubscribes from many subs': SUBSCRIBES,
  'retries subscription getToken error': SUBSCRIBES,
  'retries subscription getData error': SUBSCRIBES,
  'invalid endpoint': CLIENT_ONLY,
  'state invalidated disconnect (3014) clears token and map state': CLIENT_ONLY,
  'state invalidated unsubscribe (2502) clears sub token and map state': CLIENT_ONLY,
  'newMapSubscription propagates tagsFilter from constructor options': CLIENT_ONLY,
  'newSharedPollSubscription propagates token, getToken, and data from constructor options': CLIENT_ONLY,
  'no websocket constructor': CLIENT_ONLY,
};

/** Files that are not run at all. */
const otherFiles = {
  'codec.bench': CLIENT_ONLY,
  'compaction': `${CLIENT_ONLY}: it talks to a server of its own`,
  'utils': CLIENT_ONLY,
  'debounce': `map subscriptions: ${NOT_OFFERED}`,
  'delta': `deltas, and publishing over the reference server's API: ${NOT_OFFERED}`,
  'getstate': `${SUBSCRIBES}, and publishes over the reference server's API`,
  'map': `map subscriptions: ${NOT_OFFERED}`,
  'map.protobuf': `map subscriptions: ${NOT_OFFERED}`,
  'recovery': `${SUBSCRIBES}, and publishes over the reference server's API`,
  'shared_poll': `shared polls: ${NOT_OFFERED}`,
  'shared_poll.protobuf': `shared polls: ${NOT_OFFERED}`,
};

const run = promisify(execFile);
const here = (name) => new URL(name, import.meta.url).pathname;

/** What was checked out, in words; an error when its files were changed. */
async function describe(checkout) {
  const { version } = JSON.parse(readFileSync(path.join(checkout, 'package.json'), 'utf8'));
  if (!existsSync(path.join(checkout, '.git'))) return version;
  const git = async (...words) => (await run('git', ['-C', checkout, ...words])).stdout.trim();
  assert.equal(await git('status', '--porcelain', '--', 'src', 'jest.config.js'), '', `${checkout} has been changed`);
  return `${version} (commit ${await git('rev-parse', '--short', 'HEAD')})`;
}

/** Its own lock file is yarn's; some of its tools ask for versions that do not go together, hence the flag. */
async function install(checkout) {
  if (existsSync(path.join(checkout, 'node_modules/jest'))) return;
  console.error(`installing the packages of ${checkout}`);
  const flags = ['--ignore-scripts', '--legacy-peer-deps', '--no-package-lock', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...flags], { cwd: checkout });
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
/** Matches the names of cases that are to be run: "TRANSPORT: CASE", "TRANSPORT (Protobuf): CASE". */
const applicable = `^(?!(.*: )?(${Object.keys(notApplicable).map(escaped).join('|')})$)`;

/** The cases of `files` as {transport, encoding, name, status, failure}. */
async function jest(checkout, server, files, { encoding, pattern = applicable, flags = [] }) {
  const folder = await mkdtemp(path.join(tmpdir(), 'orderwire-sdk-'));
  const output = path.join(folder, 'result.json');
  const words = ['--json', '--outputFile', output, '--runInBand', '--forceExit', '--testNamePattern', pattern];
  const environment = {
    ...cleanEnvironment(),
    ORDERWIRE_SDK_PORT: String(server.port),
    NODE_OPTIONS: `--require ${here('redirect_port.cjs')}`,
  };
  try {
    const program = path.join(checkout, 'node_modules/jest/bin/jest.js');
    const failed = await run(process.execPath, [program, ...words, ...flags, ...files], {
      cwd: checkout,
      env: environment,
    }).catch((error) => error);
    if (!existsSync(output)) throw failed;
    return casesOf(JSON.parse(readFileSync(output, 'utf8')), encoding);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function casesOf(result, encoding) {
  return result.testResults.flatMap(({ assertionResults, message }) => {
    assert.ok(assertionResults.length > 0, message);
    return assertionResults.map(({ title, status, failureMessages }) => {
      const [, transport, protobuf, name] = /^(?:(\w+)( \(Protobuf\))?: )?(.*)$/.exec(title);
      return { transport, encoding: protobuf ? 'Protobuf' : encoding, name, status, failure: failureMessages[0] };
    });
  });
}

/** One word for a case, which may come from two files. */
function verdict(cases) {
  if (cases.length === 0) return '';
  if (cases.some(({ status }) => status === 'failed')) return '**fails**';
  return cases.some(({ status }) => status === 'passed') ? 'passes' : '–';
}

const COLUMNS = [
  ['websocket', 'JSON'],
  ['http_stream', 'JSON'],
  ['sse', 'JSON'],
  ['websocket', 'Protobuf'],
  ['http_stream', 'Protobuf'],
];

function printCases(cases) {
  console.log(`| case | ${COLUMNS.map((column) => column.join(', ')).join(' | ')} | not applicable because |`);
  console.log(`| --- |${' --- |'.repeat(COLUMNS.length + 1)}`);
  for (const name of new Set(cases.map((one) => one.name))) {
    const cells = COLUMNS.map(([transport, encoding]) =>
      verdict(cases.filter((one) => one.name === name && one.transport === transport && one.encoding === encoding)));
    console.log(`| ${name} | ${cells.join(' | ')} | ${notApplicable[name] ?? ''} |`);
  }
}

function printOtherFiles(checkout) {
  console.log('\n| file | cases | not applicable because |\n| --- | --- | --- |');
  for (const file of readdirSync(path.join(checkout, 'src')).filter((name) => name.endsWith('.test.ts'))) {
    const name = file.slice(0, -'.test.ts'.length);
    if (name === 'centrifuge' || name === 'centrifuge.protobuf') continue;
    const text = readFileSync(path.join(checkout, 'src', file), 'utf8');
    const count = [...text.matchAll(/^\s*(?:test|it|testFn)\(/gm)].length;
    console.log(`| ${file} | ${count} | ${otherFiles[name] ?? 'nobody has looked at it yet'} |`);
  }
}

function printSum(cases, connects) {
  const names = (wanted) => new Set(cases.filter(({ status }) => wanted(status)).map(({ name }) => name)).size;
  const count = (status) => cases.filter((one) => one.status === status).length;
  const ran = names((status) => status !== 'pending');
  console.log(
    `\n${ran} cases were run ${count('passed') + count('failed')} times, by transport and encoding: ` +
      `${count('passed')} passed, ${count('failed')} failed. ` +
      `${names((status) => status === 'pending')} cases of the two files are not applicable. ` +
      `The server let in ${connects} connections.`,
  );
  for (const { name, transport, encoding, failure } of cases.filter(({ status }) => status === 'failed'))
    console.error(`\n${transport}, ${encoding}: ${name}\n${failure}`);
}

/** The SDK's files, in the encoding that they are written for, and those for JSON once more in Protobuf. */
async function runCases(checkout, server) {
  const first = await jest(checkout, server, ['src/centrifuge.test.ts', 'src/centrifuge.protobuf.test.ts'], {
    encoding: 'JSON',
  });
  const again = await jest(checkout, server, ['src/centrifuge.test.ts'], {
    encoding: 'Protobuf',
    pattern: `${applicable}(websocket|http_stream): `,
    flags: ['--moduleNameMapper', JSON.stringify({ '^\\./centrifuge$': here('centrifuge_protobuf.cjs') })],
  });
  return [...first, ...again.filter(({ status }) => status !== 'pending')];
}

async function main() {
  const { values } = parseArgs({ options: { checkout: { type: 'string' } } });
  const given = values.checkout ?? process.env.CENTRIFUGE_JS;
  if (!given) {
    console.log('skipped: set CENTRIFUGE_JS to a checkout of github.com/centrifugal/centrifuge-js');
    return SKIPPED;
  }
  const checkout = path.resolve(given);
  console.log(`centrifuge-js ${await describe(checkout)}, node ${process.version}\n`);
  await install(checkout);
  const server = await Server.start({ 'realtime.insecure_user': `${PROJECT}/sdk` });
  try {
    await Project.create(server, PROJECT);
    const cases = await runCases(checkout, server);
    const connects = await server.metric('connects_total{result="ok"}');
    await server.stop();
    printCases(cases);
    printOtherFiles(checkout);
    printSum(cases, connects);
    return cases.some(({ status }) => status === 'failed') || connects === 0 ? 1 : 0;
  } finally {
    await server.destroy();
  }
}

process.exitCode = await main();
