import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type CrashScene, openCrashScene, SET_UP_TIMEOUT_MS } from './support/crash-scene.ts';
import { pointOf } from './support/kill-point.ts';
import { brokenUndoPromises, UNDO_POINTS, undoWithKills } from './support/killed-undo.ts';

let scene: CrashScene;

beforeAll(async () => {
  scene = await openCrashScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
}, SET_UP_TIMEOUT_MS);

afterAll(() => scene.close());

it.each([
  ['the tail is being stored', ['refuses', 'refuses']],
  ['there is no wal/', ['refuses', 'refuses']],
  ['the new server is started', ['new', 'new']],
])('undoes a restore whose agent was killed where %s, though the undo’s agent is killed there as well', async (name, walAtKills) => {
  const killed = await undoWithKills(scene, pointOf(UNDO_POINTS, name), name.replaceAll(/[^a-z]/g, '-'));
  expect(await brokenUndoPromises(scene, killed)).toEqual([]);
  expect([...killed.restored.walAtKills, ...killed.undone.walAtKills]).toEqual(walAtKills);
});
