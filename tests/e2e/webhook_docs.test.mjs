// SPDX-License-Identifier: Apache-2.0
// The pieces of docs/webhooks.md that verify signatures, run by each language that is installed here, over
// cases signed by node. A case is right when the piece says what is expected of it.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const text = await readFile(new URL('../../docs/webhooks.md', import.meta.url), 'utf8');

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OTHER = 'whsec_bXkgb3duIHNlY3JldCBvZiAyNCBieXRlcyE=';
const BODY = '{"type":"order.paid","data":{"user_external_id":"Ñandú €"}}';

function sign(secret, id, timestamp, body) {
  const hmac = createHmac('sha256', Buffer.from(secret.slice(6), 'base64'));
  return `v1,${hmac.update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

function makeCases() {
  const now = Math.floor(Date.now() / 1000);
  const standard = (expected, { id = 'msg_1', at = now, body = BODY, secret = SECRET, signature, ...more } = {}) => ({
    preset: 'standard',
    expected,
    secret: SECRET,
    body,
    headers: {
      'webhook-id': id, 'webhook-timestamp': String(at),
      'webhook-signature': signature ?? sign(secret, id, at, body), ...more,
    },
  });
  const xsolla = (expected, authorization) => ({ preset: 'xsolla', expected, secret: 'plain secret', body: BODY, headers: { authorization } });
  const digest = createHash('sha1').update(`${BODY}plain secret`).digest('hex');
  const good = sign(SECRET, 'msg_1', now, BODY);
  return [
    standard(true),
    standard(true, { at: now - 270 }),
    standard(true, { at: now + 270 }),
    standard(true, { signature: `${sign(OTHER, 'msg_1', now, BODY)} ${good}` }),
    standard(true, { signature: `${good} v1a,AAAA` }),
    standard(true, { body: '' }),
    standard(false, { secret: OTHER }),
    standard(false, { at: now - 330 }),
    standard(false, { at: now + 330 }),
    standard(false, { 'webhook-id': 'msg_2' }),
    standard(false, { 'webhook-timestamp': String(now + 1) }),
    standard(false, { 'webhook-timestamp': '' }),
    standard(false, { 'webhook-timestamp': 'soon' }),
    standard(false, { signature: '' }),
    standard(false, { signature: 'v1' }),
    standard(false, { signature: 'v1,' }),
    standard(false, { signature: good.slice(0, -4) }),
    standard(false, { signature: good.replace('v1,', 'v2,') }),
    { ...standard(false), headers: {} },
    { ...standard(false), body: `${BODY} ` },
    xsolla(true, `Signature ${digest}`),
    xsolla(false, `Signature ${digest.toUpperCase()}`),
    xsolla(false, digest),
    xsolla(false, `Signature ${createHash('sha1').update(BODY).digest('hex')}`),
    { ...xsolla(false), headers: {} },
  ];
}

function piece(language) {
  const found = new RegExp('```' + language + '\n(.*?)```', 's').exec(text);
  assert.ok(found, `docs/webhooks.md has a piece in ${language}`);
  return found[1];
}

function has(program) {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}

// Cases reach the languages without a JSON library as lines of base64 fields: preset, secret, body, then headers in pairs.
const base64 = (value) => Buffer.from(value).toString('base64');
const lineOf = ({ preset, secret, body, headers }) => [preset, secret, body, ...Object.entries(headers).flat()].map(base64).join(' ');

const languages = {
  js: {
    program: 'node',
    files: {
      'piece.mjs': () => piece('js'),
      'main.mjs': () => `
import { readFileSync } from 'node:fs';
import { verify, verifyXsolla } from './piece.mjs';
for (const { preset, secret, headers, body } of JSON.parse(readFileSync('cases.json')))
  console.log((preset === 'xsolla' ? verifyXsolla : verify)(secret, headers, Buffer.from(body)));`,
    },
    command: ['node', 'main.mjs'],
  },
  python: {
    program: 'python3',
    files: {
      'piece.py': () => piece('python'),
      'main.py': () => `
import json
from piece import verify, verify_xsolla
for case in json.load(open("cases.json")):
    check = verify_xsolla if case["preset"] == "xsolla" else verify
    print(str(check(case["secret"], case["headers"], case["body"].encode())).lower())`,
    },
    command: ['python3', 'main.py'],
  },
  php: {
    program: 'php',
    files: {
      'main.php': () => `${piece('php')}
foreach (json_decode(file_get_contents('cases.json'), true) as $case) {
    $check = $case['preset'] === 'xsolla' ? 'verifyXsolla' : 'verify';
    echo $check($case['secret'], $case['headers'], $case['body']) ? "true\\n" : "false\\n";
}`,
    },
    command: ['php', 'main.php'],
  },
  go: {
    program: 'go',
    files: {
      'piece.go': () => piece('go').replace('package hook', 'package main'),
      'go.mod': () => 'module hook\n\ngo 1.18\n',
      'main.go': () => `package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	var cases []struct {
		Preset, Secret, Body string
		Headers              map[string]string
	}
	text, _ := os.ReadFile("cases.json")
	if json.Unmarshal(text, &cases) != nil {
		panic("cases")
	}
	for _, one := range cases {
		header := http.Header{}
		for name, value := range one.Headers {
			header.Set(name, value)
		}
		check := Verify
		if one.Preset == "xsolla" {
			check = VerifyXsolla
		}
		fmt.Println(check(one.Secret, header, []byte(one.Body)))
	}
}`,
    },
    // Compiling may take longer than a timestamp is good for.
    prepare: ['go', 'build', '-o', 'piece', '.'],
    command: ['./piece'],
  },
  java: {
    program: 'java',
    files: {
      'Main.java': () => `${piece('java').replace(/^final class Webhooks/m, `
class Main {
    public static void main(String[] arguments) throws Exception {
        for (String line : java.nio.file.Files.readAllLines(java.nio.file.Path.of("cases.txt"))) {
            String[] fields = line.split(" ", -1);
            for (int i = 0; i < fields.length; i++)
                fields[i] = new String(Base64.getDecoder().decode(fields[i]), StandardCharsets.UTF_8);
            java.util.Map<String, String> headers = new java.util.HashMap<>();
            for (int i = 3; i + 1 < fields.length; i += 2) headers.put(fields[i], fields[i + 1]);
            byte[] body = fields[2].getBytes(StandardCharsets.UTF_8);
            System.out.println(fields[0].equals("xsolla") ? Webhooks.verifyXsolla(fields[1], headers::get, body)
                                                          : Webhooks.verify(fields[1], headers::get, body));
        }
    }
}

final class Webhooks`)}`,
    },
    command: ['java', 'Main.java'],
  },
};

for (const [name, { program, files, prepare, command }] of Object.entries(languages)) {
  test(`the piece in ${name}`, { skip: !has(program) && `${program} is not installed` }, async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'orderwire-e2e-'));
    try {
      const execute = ([executable, ...words]) => run(executable, words, { cwd: folder, timeout: 240_000 });
      for (const [file, content] of Object.entries(files)) await writeFile(path.join(folder, file), content());
      if (prepare) await execute(prepare);
      const cases = makeCases();
      await writeFile(path.join(folder, 'cases.json'), JSON.stringify(cases));
      await writeFile(path.join(folder, 'cases.txt'), cases.map(lineOf).join('\n'));
      const { stdout } = await execute(command);
      const told = stdout.trim().split('\n').map((line) => line === 'true');
      assert.equal(told.length, cases.length, stdout);
      for (const [i, one] of cases.entries()) assert.equal(told[i], one.expected, `case ${i}: ${JSON.stringify(one)}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}
