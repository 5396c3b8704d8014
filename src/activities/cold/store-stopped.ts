import type { PinKind } from '../../contract/hot-backup.ts';
import type { Warning } from '../../contract/result.ts';
import { filesOfTimeline } from '../../core/backup/history.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { missingText } from '../../core/wal/continuity.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import { mendDeleted } from '../../database/guard-look.ts';
import { pinLog } from '../../database/log-source.ts';
import { withServerDown } from '../../database/server-down.ts';
import { noteRun } from '../../io/agent-state/run-files.ts';
import { readBaselineFile } from '../../io/data-directory/rstow-folder.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { planStop } from '../../io/data-directory/swap.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { inTime } from '../in-time.ts';
import { storeInPlace, storeLog } from '../restore/store-replaced.ts';
import type { RunPort } from '../run-port.ts';

type StoreAheadInput = { database: string; repository: string };

/**
 * Stores what the repository lacks of the log while its server runs, so that little is left for the time in which it is stopped. Fails:
 * timeline-diverged, source-damaged, data-directory-replaced, repository-unavailable, not-enough-space. Twice: the same pieces, skipped.
 */
export const storeAhead =
  (deps: ActivityDeps) =>
  async ({ database, repository }: StoreAheadInput, run: RunPort): Promise<void> => {
    const log = await storeInPlace(deps, { database, repository, tornTailMs: deps.config.timing.tornTailMs }, run);
    if (log.kind === 'unstorable') throw new RstowError(log.code, log.why);
  };

type StoreStoppedInput = StoreAheadInput & { timeline: string };

/** `downtimeMs` and `tailBytes` are not known if another process has brought the server up, or an earlier attempt has stored the log. */
type StoredStopped = {
  fenceKey: string;
  pin: PinKind;
  downtimeMs?: number | undefined;
  tailBytes?: number | undefined;
  warnings: Warning[];
};

/**
 * The one step that takes the server down: stops it, stores what its log has got since, and starts it. The fence is what the log is then, up
 * to its last whole record. The repository has half of `maxDowntimeMs` to take the rest. However it ends, the server comes up.
 * Fails: restart-unsafe, owner-outdated, temporal-unreachable, before it is stopped; repository-unavailable, not-enough-space,
 * source-damaged, and as `withServerDown`. Twice: what is stored stays, and the server is not stopped again.
 */
export const storeStopped =
  (deps: ActivityDeps) =>
  async ({ database: name, repository, timeline }: StoreStoppedInput, run: RunPort): Promise<StoredStopped> => {
    const database = openDatabase(deps, name);
    const store = await deps.openStore(name, repository);
    const fences = store.plans.fence(timeline);
    await noteRun(database.agent.stateDir, run);
    const { result, downtimeMs } = await withServerDown({
      database,
      run,
      plan: { kind: 'stopped', ...(await planStop(database.dataDir, run.runId)) },
      // If the repository can't say so, the server is down in vain, and comes up.
      isDone: async () => (await fences.find(run.runId).catch(() => undefined)) !== undefined,
      askFirst: () => requireStoppable(deps, database, run),
      whileDown: ({ shareMs }) => storeRest(deps, { database, store, timeline, limitMs: shareMs(2) }, run),
    });
    const { pin } = await fences.ofRun(run.runId);
    return { fenceKey: fences.keyOf(run.runId), pin, downtimeMs, tailBytes: result?.tailBytes, warnings: result?.warnings ?? [] };
  };

/** Fails: restart-unsafe, cancelled, temporal-unreachable, owner-outdated, repository-unavailable. */
async function requireStoppable(deps: ActivityDeps, database: Database, run: RunPort): Promise<void> {
  await run.checkOpen();
  await deps.catalogueOf(database.name).owner.require();
  for (const fact of (await mendDeleted(database)).facts) deps.events.record(fact);
  const segments = ((await listSegments(database.walDir)) ?? []).map(({ segment }) => segment);
  const missing = missingText(segments, (await readBaselineFile(database.walDir))?.segment);
  if (missing === undefined) return;
  const sentence = `the server was not stopped, for its next start would lack ${missing}`;
  throw new RstowError('restart-unsafe', sentence, { details: { database: database.name } });
}

type Rest = { database: Database; store: Store; timeline: string; limitMs: number };

async function storeRest(
  deps: ActivityDeps,
  { database, store, timeline, limitMs }: Rest,
  run: RunPort,
): Promise<{ tailBytes: number; warnings: Warning[] }> {
  const { dataDir, walDir } = database;
  const late = (): RstowError =>
    new RstowError(
      'repository-unavailable',
      `the repository did not take the rest of the log in ${limitMs} ms, so the server was started without`,
      {
        details: { limitMs },
      },
    );
  return inTime({ limitMs, signal: run.signal, late }, async (signal) => {
    const { pin, segments, source } = await pinLog({ dataDir, timeline, runId: run.runId }, deps.runningBackups.opened);
    const own = filesOfTimeline(segments, await store.timelines.having(timeline), timeline);
    const log = { timeline, walDir, pin, segments: own, pathOf: source.pathOf };
    const { extents, lackedBytes, warnings } = await storeLog(store, { log, tornTailMs: 0, run: { ...run, signal } });
    const present = new Set(own.map(({ segment }) => segment));
    const fence = extents.filter(({ segment }) => present.has(segment));
    signal.throwIfAborted();
    await store.plans.fence(timeline).keep(run.runId, { format: 1, timeline, pin, segments: fence });
    return { tailBytes: lackedBytes, warnings };
  });
}
