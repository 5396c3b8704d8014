import { RstowError } from '../../core/errors/rstow-error.ts';
import { openDatabase } from '../../database/database.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { continuedTimeline } from '../archive/crash-fork.ts';
import { markEnd, type WrittenManifest } from '../backup/write-manifest.ts';
import { storeInPlace } from '../restore/store-replaced.ts';
import { writeStoredLog } from '../restore/store-tail.ts';
import { copiesWanted, openFirst } from '../copy/copies-wanted.ts';
import type { RunPort } from '../run-port.ts';

type BackUpStoppedInput = {
  database: string;
  repository?: string | undefined;
  /** When the backup itself began: its label. */
  startedAtMs: number;
  mark?: string | undefined;
};

/**
 * Backs up the log of a server that is down. Nothing compares it with a server, and the machine definitions are those of the backup before.
 * Fails: data-directory-missing, timeline-diverged, source-damaged, owner-outdated, mark-taken, repository-unavailable, not-enough-space.
 * Twice: the same backup, while the log has not grown.
 */
export const backUpStopped =
  (deps: ActivityDeps) =>
  async ({ database: name, repository, startedAtMs, mark }: BackUpStoppedInput, run: RunPort): Promise<WrittenManifest> => {
    const database = openDatabase(deps, name);
    const { store, warnings: passedOver } = await openFirst(deps, name, repository);
    await continuedTimeline({ deps, database, store, run });
    const input = { database: name, repository: store.name, startedAtMs };
    const log = await storeInPlace(deps, { ...input, tornTailMs: 0 }, run);
    if (log.kind === 'nothing') throw new RstowError('data-directory-missing', `there is no log in ${database.dataDir}`);
    if (log.kind === 'unstorable') throw new RstowError(log.code, log.why);
    const left = await deps.catalogueOf(name).owner.follow(log.timeline);
    const { manifest, summary } = await writeStoredLog(deps, { input, log, walDir: database.walDir, kind: 'cold' }, run);
    if (mark !== undefined) await markEnd(store, manifest, mark);
    const warnings = [...passedOver, ...manifest.warnings, ...(left === undefined ? [] : [left])];
    const copying = copiesWanted(deps, input);
    if (summary.restorable !== 'no') return { ...summary, copying, warnings };
    return { ...summary, copying, warnings, newestRestorable: await store.backups.newestRestorable() };
  };
