/** The continuous archive without Temporal: the agent's own verb, on a run that the test ends. */
import { readArchivedLog } from '../../src/activities/archive/archived-log.ts';
import { wholeUntil } from '../../src/core/archive/tidying.ts';
import { planSlices } from '../../src/core/backup/segment-plan.ts';
import type { SegmentId } from '../../src/core/wal/wal-offset.ts';
import { followLog } from '../../src/activities/archive/follow-log.ts';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import type { RunPort } from '../../src/activities/run-port.ts';
import type { StepFacts } from '../../src/replay/progress.ts';
import { databaseOwnership } from '../../src/worker/watch/ownership.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';
import { directDeps, newRun } from './direct-backup.ts';
import { waitUntil } from './wait-until.ts';

export type DirectArchive = {
  deps: ActivityDeps;
  /** Fulfils, or fails, as the verb does. */
  ended: Promise<unknown>;
  /** Waits for a look that begins after the call. */
  looked: () => Promise<void>;
  /** Ends it as a cancellation does. */
  stop: () => Promise<void>;
};

/** Follows the stack's log, as its config says, from now on. */
export async function startArchive(stack: DatabaseStack, deps = directDeps(stack)): Promise<DirectArchive> {
  await databaseOwnership(deps, DATABASE);
  const stopping = new AbortController();
  let facts: StepFacts = {};
  const run: RunPort = {
    ...newRun(),
    signal: stopping.signal,
    report: (reported) => {
      facts = reported;
    },
  };
  const ended = followLog(deps)({ database: DATABASE }, run);
  ended.catch(() => undefined);
  return {
    deps,
    ended,
    looked: async () => {
      const calledAtMs = Date.now();
      const { intervalMs } = stack.settings.archive;
      // The report comes at the end of a look, which may have begun before.
      const hasLooked = (): boolean => Number(facts['lookedAtMs'] ?? 0) > calledAtMs + intervalMs;
      await Promise.race([waitUntil('the archive has looked', hasLooked), ended]);
    },
    stop: async () => {
      stopping.abort();
      await ended.catch(() => undefined);
    },
  };
}

/** The bytes of a segment as the archive has them, up to its first hole. */
export async function archivedBytes(deps: ActivityDeps, segment: SegmentId, timeline = '0001'): Promise<Buffer> {
  const store = await deps.openStore(DATABASE);
  const log = await readArchivedLog(store, timeline);
  const pieces = log.piecesOf(segment);
  const plan = planSlices(pieces, 0, wholeUntil(pieces));
  if (plan.kind === 'missing') throw new Error('what is whole has no hole');
  const parts: Buffer[] = [];
  const { signal } = new AbortController();
  for (const { piece, skipBytes, takeBytes } of plan.slices) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.pieces.bytes({ key: piece.key, signal })) chunks.push(chunk);
    parts.push(Buffer.concat(chunks).subarray(skipBytes, skipBytes + takeBytes));
  }
  return Buffer.concat(parts);
}
