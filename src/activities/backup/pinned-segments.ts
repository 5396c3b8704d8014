import type { Fence } from '../../formats/repository/plans.ts';
import type { PinKind } from '../../contract/hot-backup.ts';
import { noteRun } from '../../io/agent-state/run-files.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import { pinLog, logSource, type LogSource, releaseLog } from '../../database/log-source.ts';
import type { RunPort } from '../run-port.ts';
import { forgetRun } from './running-backups.ts';

export type PinInput = { database: string; repository: string; timeline: string };
export type PinResult = { fenceKey: string; pin: PinKind; segments: number; sizeBytes: number };

/**
 * Keeps every segment from compaction, then takes the fence: the sizes of all segment files. Every record that was
 * acknowledged before lies within it. Fails: data-directory-missing, data-directory-replaced, repository-unavailable.
 * Twice: the first fence stands.
 */
export const pinWal =
  (deps: ActivityDeps) =>
  async ({ database, repository: name, timeline }: PinInput, run: RunPort): Promise<PinResult> => {
    const store = await deps.openStore(database, name);
    const { dataDir } = openDatabase(deps, database);
    await noteRun(deps.config.agent.stateDir, run);
    const { pin, segments } = await pinLog({ dataDir, timeline, runId: run.runId }, deps.runningBackups.opened);
    const extents = segments.map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes }));
    const { key: fenceKey, plan: first } = await store.plans.fence.keep(run.runId, { format: 1, timeline, pin, segments: extents });
    const sizeBytes = first.segments.reduce((sum, segment) => sum + segment.endBytes, 0);
    return { fenceKey, pin: first.pin, segments: first.segments.length, sizeBytes };
  };

/** Gives the segments back to compaction. Twice: no-op. */
export const unpinWal =
  (deps: ActivityDeps) =>
  async ({ database, timeline }: Pick<PinInput, 'database' | 'timeline'>, run: RunPort): Promise<void> => {
    const { dataDir } = openDatabase(deps, database);
    await releaseLog({ dataDir, timeline, runId: run.runId }, deps.runningBackups.opened);
    await forgetRun(deps.runningBackups, run.runId);
  };

/** The run's hold of the log, as its fence says. */
export function pinnedLog(deps: ActivityDeps, database: Database, of: { fence: Fence; runId: string }): LogSource {
  const { pin, timeline } = of.fence;
  return logSource(pin, { dataDir: database.dataDir, timeline, runId: of.runId }, deps.runningBackups.opened);
}
