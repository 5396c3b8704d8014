import type { FilledRepository } from '../../contract/copy-backups.ts';
import { selectBackup } from '../../core/backup/selection.ts';
import { isFaultOfRepository } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type ByteProgress, byteProgress } from '../../replay/progress.ts';
import { createBandwidth } from '../../store/bandwidth.ts';
import { copyBackups } from '../../store/copy/copy-backups.ts';
import type { Copied } from '../../store/copy/filling.ts';
import { repositoryNamed } from '../../store/database-repositories.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

type ChooseCopiesInput = {
  database: string;
  from?: string | undefined;
  to?: readonly string[] | undefined;
  /** The one to copy, as a person names it. */
  backup?: string | undefined;
};

type ChosenCopies = { targets: string[]; /** Of the backup, if one was named. */ label?: string | undefined };

/**
 * The repositories to fill, in the order of the config. Fails: unknown-repository, invalid-input (there is nothing to copy to), backup-not-found.
 * Twice: the same.
 */
export const chooseCopies =
  (deps: ActivityDeps) =>
  async ({ database, from, to, backup }: ChooseCopiesInput): Promise<ChosenCopies> => {
    const names = [...new Set(deps.catalogueOf(database).names)];
    for (const name of [from, ...(to ?? [])]) repositoryNamed(names, name);
    const targets = names.filter((name) => name !== from && (to === undefined || to.includes(name)));
    if (names.length > 1 && targets.length > 0) {
      return { targets, label: backup === undefined ? undefined : await labelOf(deps, { database, from, backup }) };
    }
    const why = names.length === 1 ? `has one repository, "${names[0]}"` : `is to be copied from "${from}" to itself`;
    throw new RstowError('invalid-input', `there is nothing to copy: database "${database}" ${why}`, { details: { database } });
  };

async function labelOf(deps: ActivityDeps, { database, from, backup }: ChooseCopiesInput & { backup: string }): Promise<string> {
  const { answers } = await deps.catalogueOf(database).eachOfSome((store) => store.backups.selectable());
  const asked = answers.filter(({ store }) => from === undefined || store.name === from);
  const byLabel = new Map(asked.flatMap(({ found }) => found).map((one) => [one.label, one]));
  return selectBackup([...byLabel.values()], backup);
}

export type CopyInput = {
  database: string;
  /** For each object the first of the database's other repositories that has it whole, if absent. */
  from?: string | undefined;
  to: string;
  /** Only what this backup needs, and the mark that its end has. All that is lacking if absent. */
  backup?: { label: string; mark?: string | undefined } | undefined;
  bytesPerSecond?: number | undefined;
};

/** A step has to end some day: after this time the next one goes on. */
const TURN_MS = 6 * 3_600_000;

/** `away`: what could not be read. */
export type CopiedTo = FilledRepository & Pick<Copied, 'away' | 'isUnfinished'>;

/**
 * Copies into one repository what it lacks of what the others have, each object checked while it passes. The counts are of this attempt:
 * what an earlier one has stored is there. Fails: unknown-repository, repository-unavailable, not-enough-space, of the target;
 * repository-unavailable, if there is no source. Twice: nothing is left to do.
 */
export const copyToRepository =
  (deps: ActivityDeps) =>
  async ({ database, from, to, backup, bytesPerSecond }: CopyInput, run: RunPort): Promise<CopiedTo> => {
    const target = await deps.openStore(database, to);
    const { sources, away } = await openSources(deps, { database, names: from === undefined ? othersOf(deps, database, to) : [from] });
    const bandwidth = createBandwidth(bytesPerSecond);
    const untilMs = Date.now() + TURN_MS;
    const copied = await copyBackups({ sources, target, backup, bandwidth, run, untilMs, progress: progressOf(run) });
    deps.events.record({ kind: 'backup-copied', database, repository: to, sentence: `${to} has what it lacked` });
    return { repository: to, ...copied, away: [...away, ...copied.away] };
  };

function othersOf(deps: ActivityDeps, database: string, name: string): string[] {
  return [...new Set(deps.catalogueOf(database).names)].filter((other) => other !== name);
}

type Sources = { sources: Store[]; away: Copied['away'] };

/** Those that answer. Fails: as the first of them, if none does. */
async function openSources(deps: ActivityDeps, { database, names }: { database: string; names: readonly string[] }): Promise<Sources> {
  const sources: Store[] = [];
  const failures: { repository: string; error: RstowError }[] = [];
  for (const repository of names) {
    try {
      sources.push(await deps.openStore(database, repository));
    } catch (error) {
      if (!(error instanceof RstowError) || !isFaultOfRepository(error.code)) throw error;
      failures.push({ repository, error });
    }
  }
  if (sources.length === 0 && failures[0] !== undefined) throw failures[0].error;
  return { sources, away: failures.map(({ repository, error }) => ({ repository, code: error.code, message: error.message })) };
}

function progressOf(run: RunPort): { begins(totalBytes: number): void; copied(what: string, plainBytes: number): void } {
  let progress: ByteProgress | undefined;
  return {
    begins: (totalBytes) => {
      progress = byteProgress(run, totalBytes);
    },
    copied: (what, plainBytes) => {
      progress?.doing(what);
      progress?.add(plainBytes);
    },
  };
}
