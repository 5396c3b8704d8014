import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type CrashScene, openCrashScene, SET_UP_TIMEOUT_MS } from './support/crash-scene.ts';
import { pointOf, REBASE_POINTS } from './support/kill-point.ts';
import { brokenRebasePromises, rebaseWithKills } from './support/killed-rebase.ts';

let scene: CrashScene;

beforeAll(async () => {
  scene = await openCrashScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
}, SET_UP_TIMEOUT_MS);

afterAll(() => scene.close());

it.each([
  ['the baseline is being made', 'old'],
  ['the tail is being stored', 'refuses'],
  ['there is no wal/', 'refuses'],
  ['the new server is started', 'new'],
])('completes a rebase whose agent is killed where %s', async (name, walAtKill) => {
  const killed = await rebaseWithKills(scene, pointOf(REBASE_POINTS, name), name.replaceAll(/[^a-z]/g, '-'));
  expect(await brokenRebasePromises(scene, killed)).toEqual([]);
  expect(killed.rebased.walAtKills).toEqual([walAtKill]);
});
