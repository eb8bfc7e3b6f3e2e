// SPDX-License-Identifier: Apache-2.0
// A headless Chromium, where there is one.
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';

/** The first of `names` in PATH. */
export function find(...names) {
  for (const name of names) {
    for (const folder of process.env.PATH.split(path.delimiter)) {
      const file = path.join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        continue;
      }
    }
  }
  return undefined;
}

export const browserPath = find('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable');

export async function launchBrowser() {
  return chromium.launch({
    executablePath: browserPath,
    args: [
      ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
