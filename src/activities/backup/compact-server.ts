import type { CompactedLog } from '../../contract/hot-backup.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { compactionCost } from '../../core/guard/compaction-cost.ts';
import type { GuardState } from '../../core/guard/guard-state.ts';
import { countText, sizeText } from '../../core/text/figures.ts';
import { segmentsText } from '../../core/wal/continuity.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import { mendDeleted } from '../../database/guard-look.ts';
import { guardState } from '../../database/guard-state.ts';
import { readServerSettings } from '../../database/server-settings.ts';
import { snapshottedInstances } from '../../io/data-directory/snapshots.ts';
import { instancePages } from '../../io/rstmdb/instances.ts';
import { compact } from '../../io/rstmdb/server.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

/** Longer than any that is not refused for its cost, on a busy host. */
const COMPACT_MS = 600_000;

/**
 * Lets the server compact, and links back what it has deleted, so that its next start has everything. Fails: guard-off,
 * compaction-too-costly (before anything is done), server-unreachable, server-refused, data-directory-unsupported. Twice:
 * the server makes what snapshots are still lacking.
 */
export const compactServer =
  (deps: ActivityDeps) =>
  async ({ database: name }: { database: string }, run: RunPort): Promise<CompactedLog> => {
    const database = openDatabase(deps, name);
    await requireCompactable(database, run.signal);
    run.report({ compacting: database.server.address });
    const { signal } = run;
    const compacted = await database.server.ask((client) => compact(client, { forceSnapshot: false, timeoutMs: COMPACT_MS }), { signal });
    await linkBack(deps, database);
    return compacted;
  };

/** Fails: guard-off, compaction-too-costly, server-unreachable, server-refused. */
export async function requireCompactable(database: Database, signal: AbortSignal): Promise<void> {
  const guard = await guardState(database);
  if (guard.kind !== 'on') throw guardOff(database, guard);
  const { lacking, there } = await countSnapshots(database, signal);
  const { isTooLarge, snapshots, writtenBytes, processorSeconds } = compactionCost({ lacking, there });
  if (!isTooLarge) return;
  const cost = `${sizeText(writtenBytes)} and about ${Math.round(processorSeconds)} seconds of a processor`;
  throw new RstowError('compaction-too-costly', `a COMPACT would make ${countText(snapshots)} snapshots, which costs ${cost}`, {
    details: { database: database.name, snapshots, writtenBytes },
  });
}

/**
 * The server's automatic compaction keeps a list of its own, which one that is asked for doesn't know: if it is on, nobody
 * can say which snapshots count.
 */
async function countSnapshots(database: Database, signal: AbortSignal): Promise<{ lacking: number; there: number }> {
  const { compaction } = await readServerSettings(database);
  const known = compaction.isOn ? undefined : await snapshottedInstances(database.dataDir);
  let lacking = 0;
  for await (const { instances } of instancePages(database.server.connector({ signal }))) {
    lacking += instances.filter(({ id }) => known?.has(id) !== true).length;
  }
  return { lacking, there: known?.size ?? 0 };
}

/** The agent's own guard does the same: whoever comes first. */
async function linkBack(deps: ActivityDeps, database: Database): Promise<void> {
  const { facts, isMended } = await mendDeleted(database);
  for (const fact of facts) deps.events.record(fact);
  const guard = await guardState(database);
  if (guard.kind !== 'on') throw guardOff(database, guard);
  if (isMended) return;
  const sentence = `${segmentsText(guard.missing)} could not be linked back so far; the agent’s guard goes on trying`;
  throw new RstowError('busy', sentence, { details: { database: database.name } });
}

function guardOff({ name }: Database, guard: Exclude<GuardState, { kind: 'on' }>): RstowError {
  const why = 'why' in guard ? guard.why : { off: 'its config says so', waiting: 'it has pinned nothing yet' }[guard.kind];
  const sentence = `the restart guard of ${name} does not work (${why}), so a COMPACT would delete log that the next start needs`;
  return new RstowError('guard-off', sentence, { details: { database: name } });
}
