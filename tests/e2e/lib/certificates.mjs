// SPDX-License-Identifier: Apache-2.0
// Certificates for servers and receivers, good ones and bad ones, made by the openssl command for each run.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const RSA = ['-newkey', 'rsa:2048', '-nodes'];

/** An authority of its own; everything is PEM text. */
export class Authority {
  static async create(server, name = 'Test Authority') {
    const authority = server.own(new Authority());
    authority.directory = await mkdtemp(path.join(tmpdir(), 'orderwire-certificates-'));
    await authority.#openssl('req', '-x509', ...EC, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', `/CN=${name}`);
    authority.ca = await authority.#read('ca.pem');
    return authority;
  }

  #openssl(...words) {
    return run('openssl', words, { cwd: this.directory });
  }

  #read(name) {
    return readFile(path.join(this.directory, name), 'utf8');
  }

  /** {key, cert} for `names` ("IP:127.0.0.1", "DNS:localhost"); -1 days is one that has expired. */
  async issue(names, { days = 2, subject = 'receiver', usage = 'serverAuth', rsa = false } = {}) {
    await writeFile(path.join(this.directory, 'extensions'), `subjectAltName=${names.join()}\nextendedKeyUsage=${usage}\n`);
    await this.#openssl('req', ...(rsa ? RSA : EC), '-keyout', 'one.key', '-out', 'one.csr', '-subj', `/CN=${subject}`);
    const sign = (...validity) =>
      this.#openssl(
        'x509', '-req', '-in', 'one.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', ...validity,
        '-extfile', 'extensions', '-out', 'one.pem',
      );
    // openssl before 3.4 knows no dates, and later ones take no negative days.
    if (days > 0) await sign('-days', String(days));
    else await sign('-days', String(days)).catch(() => sign('-not_before', '20200101000000Z', '-not_after', '20200102000000Z'));
    return { key: await this.#read('one.key'), cert: await this.#read('one.pem') };
  }

  /** The same as {key, cert} in files that a server reads; `name` once more replaces them at once, as renewals do. */
  async files(name, names, options) {
    const pair = await this.issue(names, options);
    const paths = {};
    for (const [kind, text] of Object.entries(pair)) {
      paths[kind] = path.join(this.directory, `${name}.${kind}`);
      await writeFile(`${paths[kind]}.next`, text, { mode: 0o600 });
      await rename(`${paths[kind]}.next`, paths[kind]);
    }
    return paths;
  }

  get caFile() {
    return path.join(this.directory, 'ca.pem');
  }

  async destroy() {
    await rm(this.directory, { recursive: true, force: true });
  }
}
