// SPDX-License-Identifier: Apache-2.0
// A disk with faults under a server's data directory (tests/faults/disk_faults.c): reads, writes and syncs fail on
// demand, and when the power goes only what was synced is left, or that and some pieces of what was not.
import {
  copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { binary } from './server.mjs';

const LIBRARY = path.join(path.dirname(binary), 'tests', 'disk_faults.so');
/** Why there is none; false when there is one. */
export const noDisk = existsSync(LIBRARY) ? false : 'the disk with faults is not built, or a sanitizer is in its place';

/** `synced` with some pieces of `live`, of a size and by a chance of this moment. */
function torn(synced, live, next) {
  const size = next() < 0.5 ? 512 : 4096;
  const share = next();
  const left = Buffer.alloc(Math.max(synced.length, live.length));
  let end = synced.copy(left);
  for (let at = 0; at < live.length; at += size) {
    const piece = live.subarray(at, at + size);
    if (next() >= share || piece.equals(synced.subarray(at, at + size))) continue;
    end = Math.max(end, at + piece.copy(left, at));
  }
  return left.subarray(0, end);
}

export class Disk {
  constructor(server) {
    this.data = server.data;
    this.home = path.join(this.data, 'disk');
    this.environment = { LD_PRELOAD: LIBRARY, DISK_FAULTS: this.data };
  }

  /** Puts one under the server, which starts again. */
  static async under(server) {
    const disk = new Disk(server);
    await server.stop();
    mkdirSync(disk.home);
    writeFileSync(path.join(disk.home, 'control'), '----');
    disk.#format();
    await server.start(disk.environment);
    return disk;
  }

  #files() {
    return readdirSync(this.data, { withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('-shm'))
      .map(({ name }) => name);
  }

  /** What is there counts as synced. */
  #format() {
    for (const folder of ['inodes', 'names']) {
      rmSync(path.join(this.home, folder), { recursive: true, force: true });
      mkdirSync(path.join(this.home, folder), { recursive: true });
    }
    this.mend();
    for (const name of this.#files()) {
      const content = path.join(this.home, 'inodes', String(statSync(path.join(this.data, name)).ino));
      copyFileSync(path.join(this.data, name), content);
      linkSync(content, path.join(this.home, 'names', name));
    }
  }

  /** As if nothing had ever been there. */
  clear() {
    for (const name of this.#files()) rmSync(path.join(this.data, name));
    this.#format();
  }

  /** From now on `{ sync: 'a' }` fails all syncs, 'w' those of logs, 'd' those of other files; `short` writes halves. */
  fail({ sync = '-', write = '-', short = '-', read = '-' }) {
    // The server has it mapped, so it is never cut off.
    writeFileSync(path.join(this.home, 'control'), sync + write + short + read, { flag: 'r+' });
  }

  mend() {
    this.fail({});
  }

  /** The content of `name` in the directory now, when it is the file that was synced as `inode`. */
  #live(name, inode) {
    const file = path.join(this.data, name);
    const status = statSync(file, { throwIfNoEntry: false });
    return status && String(status.ino) === inode ? readFileSync(file) : null;
  }

  /** The power goes after the server. `next` decides which unsynced pieces are left; without it none is. */
  losePower(next) {
    const inodes = new Map(this.#list('inodes').map(([name, status]) => [status.ino, name]));
    const left = new Map();
    for (const [name, status] of this.#list('names')) {
      const synced = readFileSync(path.join(this.home, 'names', name));
      const live = this.#live(name, inodes.get(status.ino));
      if (live || !next || next() < 0.5) left.set(name, live && next ? torn(synced, live, next) : synced);
    }
    for (const name of this.#files()) {
      const live = readFileSync(path.join(this.data, name));
      if (next && !left.has(name) && next() < 0.5) left.set(name, torn(Buffer.alloc(0), live, next));
      rmSync(path.join(this.data, name));
    }
    rmSync(path.join(this.data, 'orderwire.db-shm'), { force: true });
    for (const [name, bytes] of left) writeFileSync(path.join(this.data, name), bytes, { mode: 0o600 });
    this.#format();
  }

  #list(folder) {
    const home = path.join(this.home, folder);
    return readdirSync(home).map((name) => [name, statSync(path.join(home, name))]);
  }
}
