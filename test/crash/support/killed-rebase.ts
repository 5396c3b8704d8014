/** A rebase whose agent is killed: the old log or the new one is in place, the server comes up, and nothing of the state is lost. */
import type { RebaseDatabaseResult } from '../../../src/contract/rebase-database.ts';
import { DATABASE } from '../../support/database-stack.ts';
import type { CrashScene } from './crash-scene.ts';
import type { KillPoint } from './kill-point.ts';
import { type KilledRun, runWithKills, untilSeen } from './kill-run.ts';
import { leftBehind } from './left-behind.ts';

/** Two segments of 1 MiB and more: what is behind the last baseline has to be worth another one. */
const WRITES = 2500;

export type KilledRebase = { digest: string; rebased: KilledRun<RebaseDatabaseResult> };

/** `prefix` must be new. */
export async function rebaseWithKills(scene: CrashScene, point: KillPoint, prefix: string): Promise<KilledRebase> {
  return untilSeen(async (attempt) => {
    await scene.write(`${prefix}-${attempt}`, WRITES);
    const digest = await scene.digest();
    const rebased = await runWithKills<RebaseDatabaseResult>(scene, {
      type: 'rebaseDatabase',
      input: { database: DATABASE },
      points: [point],
    });
    return { digest, rebased };
  });
}

/** Sentences; empty where all held. */
export async function brokenRebasePromises(scene: CrashScene, { digest, rebased }: KilledRebase): Promise<string[]> {
  const { result, runId, walAtKills, changedPieces } = rebased;
  const live = await scene.digest();
  const { log } = result;
  const isShorter = log !== undefined && log.after.segments < log.before.segments;
  return [
    ...(result.outcome === 'done' && result.runId === runId ? [] : [`run ${runId} ended as ${JSON.stringify(result)}`]),
    ...(isShorter ? [] : [`the log went from ${JSON.stringify(log?.before)} to ${JSON.stringify(log?.after)}`]),
    ...(live === digest ? [] : [`the server shows the digest ${live}, not ${digest}`]),
    ...walAtKills.filter((found) => found === 'something else').map(() => 'a server would have found neither data nor refusal'),
    ...changedPieces.map((path) => `${path} was stored twice`),
    ...(await leftBehind(scene, runId)).map((what) => `left behind: ${what}`),
  ];
}
