import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { segmentFileName } from '../../core/wal/wal-offset.ts';
import { makeScratch, noteRun, removeScratch } from '../../io/agent-state/run-files.ts';
import { requireSpace } from '../../io/files/free-space.ts';
import { stageSegments } from '../restore/stage-segments.ts';
import { replaySegments } from '../../replay/replay-segments.ts';
import type { Verification, Verified } from './verification.ts';

/**
 * Puts the log together in a scratch folder, replays it, and compares the state's digest.
 * Fails: missing-object, truncated-object, damaged-object, digest-different.
 */
export async function verifyReplay(verification: Verification): Promise<Partial<Verified>> {
  const { deps, store, manifest, run } = verification;
  const { stateDir } = deps.config.agent;
  const planned = await store.pieces.plan(manifest);
  await noteRun(stateDir, run);
  const walDir = join(await makeScratch(stateDir, run.runId), 'wal');
  try {
    await requireSpace(
      walDir,
      planned.reduce((sum, segment) => sum + segment.endBytes, 0),
    );
    await stageSegments({ repository: store.repository, planned, walDir, run });
    const extents = planned.map(({ segment, endBytes }) => ({ segment, endBytes }));
    const pathOf = (segment: (typeof extents)[number]['segment']): string => join(walDir, segmentFileName(segment));
    const replayed = await replaySegments({ extents, pathOf, damageCode: 'damaged-object' }, run);
    requireDigest(replayed.stateDigest, manifest.stateDigest, manifest.label);
    return { records: replayed.records, stateDigest: replayed.stateDigest };
  } finally {
    await removeScratch(stateDir, run.runId);
  }
}

/** Fails: digest-different. */
export function requireDigest(found: string, promised: string, label: string): void {
  if (found === promised) return;
  throw new RstowError('digest-different', `replaying backup ${label} gives the state ${found}, not ${promised}`, {
    details: { found, promised, label },
  });
}
