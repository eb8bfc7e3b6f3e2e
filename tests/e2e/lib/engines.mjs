// SPDX-License-Identifier: Apache-2.0
// The trackers of the five store SDKs by name, and how each begins.
import { AndroidTracker, IosTracker } from './mobile_trackers.mjs';
import { CocosTracker, UnityTracker, UnrealTracker } from './trackers.mjs';

export const engines = {
  Android: AndroidTracker,
  Cocos: CocosTracker,
  iOS: IosTracker,
  Unity: UnityTracker,
  Unreal: UnrealTracker,
};

export const isMobile = (engine) => engine === 'Android' || engine === 'iOS';

let players = 0;

/** Unreal's `auth` is the payment token of its order, the others' the user's JWT. */
export async function prepare(server, project, engine, options) {
  const user = `player ${++players} of ${engine}`;
  const { order_id, token } = await project.create(user);
  const auth = engine === 'Unreal' ? token : project.token(user);
  const tracker = new engines[engine](server, { project, orderId: order_id, auth, ...options });
  return { order_id, tracker, user };
}

export async function begin(server, project, engine, options) {
  const begun = await prepare(server, project, engine, options);
  await begun.tracker.start();
  await begun.tracker.sees('new');
  return begun;
}
