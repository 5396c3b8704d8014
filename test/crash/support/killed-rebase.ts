/** A rebase whose agent is killed: the old log or the new one is in place, the server comes up, and nothing of the state is lost. */
import type { RebaseDatabaseResult } from '../../../src/contract/rebase-database.ts';
import { DATABASE } from '../../support/database-stack.ts';
import type { CrashScene } from './crash-scene.ts';
import type { KillPoint } from './kill-point.ts';
import { type KilledRun, runWithKills, untilSeen } from './kill-run.ts';
import { leftBehind } from './left-behind.ts';
import { differences, type ShownState, shownState } from './shown-state.ts';

/** Two segments of 1 MiB and more: what is behind the last baseline has to be worth another one. */
const WRITES = 2500;

export type KilledRebase = { /** Before. */ shown: ShownState; rebased: KilledRun<RebaseDatabaseResult> };

/** `prefix` must be new. */
export async function rebaseWithKills(scene: CrashScene, point: KillPoint, prefix: string): Promise<KilledRebase> {
  return untilSeen(async (attempt) => {
    await scene.write(`${prefix}-${attempt}`, WRITES);
    const shown = await shownState(scene.stack);
    const rebased = await runWithKills<RebaseDatabaseResult>(scene, {
      type: 'rebaseDatabase',
      input: { database: DATABASE },
      points: [point],
    });
    return { shown, rebased };
  });
}

/** Sentences; empty where all held. */
export async function brokenRebasePromises(scene: CrashScene, { shown, rebased }: KilledRebase): Promise<string[]> {
  const { result, runId, walAtKills, changedPieces } = rebased;
  const { log } = result;
  const isShorter = log !== undefined && log.after.segments < log.before.segments;
  return [
    ...(result.outcome === 'done' && result.runId === runId ? [] : [`run ${runId} ended as ${JSON.stringify(result)}`]),
    ...(isShorter ? [] : [`the log went from ${JSON.stringify(log?.before)} to ${JSON.stringify(log?.after)}`]),
    ...differences(shown, await shownState(scene.stack)),
    ...walAtKills.filter((found) => found === 'something else').map(() => 'a server would have found neither data nor refusal'),
    ...changedPieces.map((path) => `${path} was stored twice`),
    ...(await leftBehind(scene, runId)).map((what) => `left behind: ${what}`),
  ];
}
