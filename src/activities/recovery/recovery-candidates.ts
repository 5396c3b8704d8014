import type { Manifest } from '../../config/repository-json/manifest.ts';
import { nothingRecoverable, type SkippedState } from '../../contract/disaster-recovery.ts';
import { type ExtentsSummary, summariseExtents } from '../../core/backup/extents-summary.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { selectBackup } from '../../core/backup/selection.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings } from '../database-settings.ts';
import { requireRestorable } from '../restore/plan-restore.ts';
import { listLabels, readManifest } from '../stored/backups.ts';
import { planSegments } from '../stored/planned-segments.ts';

/** A state that, by what is listed, can be recovered; reading it may still say otherwise. */
export type Candidate = { label: string; repository: string; extents: ExtentsSummary; records: number; createdAtMs: number };
export type Candidates = {
  usable: Candidate[];
  skipped: SkippedState[];
  /** What the newest backup promises, usable or not. */ newest?: Candidate;
};

/** More than so many are never tried: each try reads a whole backup. */
const CANDIDATES_MAX = 20;

/** No `repository`: all of the database's. No `target`: the latest backup. */
type Wanted = { database: string; repository?: string; target?: string };

/**
 * The states that a disaster recovery can try, from the target's on, newest first, over all repositories of the
 * database; and for the others why not. Fails: backup-not-found, where there is no such target, or with each state's
 * reason, where none is left. Twice: the same.
 */
export const findCandidates =
  (deps: ActivityDeps) =>
  async ({ database, repository: wanted, target = 'latest' }: Wanted): Promise<Candidates> => {
    const names = wanted === undefined ? databaseSettings(deps.config, database).repositories : [wanted];
    const usable: Candidate[] = [];
    const skipped: SkippedState[] = [];
    const listed = await newestLabels(deps, database, { names, skipped });
    if (listed.length === 0) throw nothingRecoverable(database, skipped);
    const wantedFrom = listed.findIndex(({ label }) => label === labelOfTarget(listed, target));
    let newest = await firstReadable(deps, database, listed.slice(0, wantedFrom));
    for (const { label, repository } of listed.slice(wantedFrom)) {
      if (usable.length >= CANDIDATES_MAX) break;
      try {
        const manifest = await readManifest(await deps.openRepository(repository), database, label);
        const candidate = candidateOf(manifest, repository);
        newest ??= candidate;
        requireRestorable(manifest);
        await planSegments(await deps.openRepository(repository), manifest);
        usable.push(candidate);
      } catch (error) {
        skipped.push({ label, repository, ...reasonOf(error) });
      }
    }
    if (usable.length === 0) throw nothingRecoverable(database, skipped);
    return { usable, skipped: skipped.slice(0, CANDIDATES_MAX), ...(newest === undefined ? {} : { newest }) };
  };

type Labels = { label: string; repository: string }[];

/** A label in two repositories is tried in the first of them first. */
async function newestLabels(deps: ActivityDeps, database: string, of: { names: string[]; skipped: SkippedState[] }): Promise<Labels> {
  const labels: Labels = [];
  for (const repository of of.names) {
    try {
      for (const label of await listLabels(await deps.openRepository(repository), database)) labels.push({ label, repository });
    } catch (error) {
      of.skipped.push({ label: '*', repository, ...reasonOf(error) });
    }
  }
  return labels.sort(
    (left, right) => right.label.localeCompare(left.label, 'en') || of.names.indexOf(left.repository) - of.names.indexOf(right.repository),
  );
}

/** A label in two repositories is one backup. */
function labelOfTarget(listed: Labels, target: string): string {
  const labels = new Set(listed.map(({ label }) => label).reverse());
  return selectBackup([...labels], target);
}

/** What is newer than the target isn't tried, but tells how much is given up. */
async function firstReadable(deps: ActivityDeps, database: string, labels: Labels): Promise<Candidate | undefined> {
  for (const { label, repository } of labels) {
    try {
      return candidateOf(await readManifest(await deps.openRepository(repository), database, label), repository);
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
    }
  }
  return undefined;
}

function candidateOf(manifest: Manifest, repository: string): Candidate {
  const { label, records, createdAtMs } = manifest;
  const extents = summariseExtents(promisedExtents(manifest.segments));
  return { label, repository, extents, records, createdAtMs };
}

function reasonOf(error: unknown): { code: string; reason: string } {
  if (!(error instanceof RstowError)) throw error;
  return { code: error.code, reason: error.message };
}
