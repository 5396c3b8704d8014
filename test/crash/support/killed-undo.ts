/** A restore to a wrong state whose agent is killed, and its undo, whose agent is killed where the first one was. */
import type { RestoreResult } from '../../../src/contract/restore.ts';
import type { UndoRestoreResult } from '../../../src/contract/undo-restore.ts';
import { DATABASE } from '../../support/database-stack.ts';
import type { CrashScene } from './crash-scene.ts';
import { type KillPoint, pointOf, RESTORE_POINTS } from './kill-point.ts';
import { type KilledRun, runWithKills, untilSeen } from './kill-run.ts';
import { leftBehind } from './left-behind.ts';

const NAMES = [
  'the rehearsal server runs',
  'the stop note is written',
  'no server can start',
  'the tail is being stored',
  'the tail is a backup',
  'the swap begins',
  'there is no wal/',
  'the new wal/ is in place',
  'the new server may start',
  'the new server is started',
  'the note is gone',
  'the restored state is compared',
];

/** From the rehearsal to the comparison. */
export const UNDO_POINTS: readonly KillPoint[] = NAMES.map((name) => pointOf(RESTORE_POINTS, name));

/** `replacedDigest`: of the state that the restore has replaced. */
export type KilledUndo = { replacedDigest: string; restored: KilledRun<RestoreResult>; undone: KilledRun<UndoRestoreResult> };

/** Both are killed at the point. `prefix` must be new. */
export async function undoWithKills(scene: CrashScene, point: KillPoint, prefix: string): Promise<KilledUndo> {
  return untilSeen(async (attempt) => {
    await scene.write(`${prefix}-${attempt}`, 20);
    const replacedDigest = await scene.digest();
    const input = { database: DATABASE, backup: scene.backup.label };
    const restored = await runWithKills<RestoreResult>(scene, { type: 'restore', input, points: [point] });
    // What is put back is not all: this has to be stored first.
    await scene.write(`${prefix}-${attempt}-wrong`, 20);
    const undone = await runWithKills<UndoRestoreResult>(scene, { type: 'undoRestore', input: { database: DATABASE }, points: [point] });
    return { replacedDigest, restored, undone };
  });
}

/** Sentences; empty where all held. */
export async function brokenUndoPromises(scene: CrashScene, { replacedDigest, restored, undone }: KilledUndo): Promise<string[]> {
  const { result } = undone;
  const live = await scene.digest();
  const walAtKills = [...restored.walAtKills, ...undone.walAtKills];
  const left = [...(await leftBehind(scene, restored.runId)), ...(await leftBehind(scene, undone.runId))];
  return [
    ...(result.outcome === 'done' ? [] : [`the undo ended as ${JSON.stringify(result)}`]),
    ...(result.undoes?.runId === restored.runId ? [] : [`it undid the restore ${result.undoes?.runId}, not ${restored.runId}`]),
    ...(live === replacedDigest ? [] : [`the server shows the digest ${live}, not ${replacedDigest}`]),
    ...(result.savedAs === undefined ? ['what was written on the wrong data is in no backup'] : []),
    ...walAtKills.filter((found) => found === 'something else').map(() => 'a server would have found neither data nor refusal'),
    ...[...restored.changedPieces, ...undone.changedPieces].map((path) => `${path} was stored twice`),
    ...left.map((what) => `left behind: ${what}`),
  ];
}
