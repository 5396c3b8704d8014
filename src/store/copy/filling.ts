import type { CopyFailure } from '../../contract/copy-backups.ts';
import { isFaultOfRepository, isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Piece } from '../../core/repository/piece.ts';
import type { Bandwidth } from '../bandwidth.ts';
import type { Store } from '../store.ts';
import type { HeldByAll } from './held-objects.ts';
import type { Between, CopiedObject } from './copy-object.ts';

export type Copying = {
  /** The nearest first. */
  sources: readonly Store[];
  target: Store;
  /** Only what this backup needs, and the mark that its end has. */
  backup?: { label: string; mark?: string | undefined } | undefined;
  bandwidth: Bandwidth;
  run: { runId: string; signal: AbortSignal };
  /** Unix ms: no other piece is begun from then on, and what else is to be copied is left. */
  untilMs: number;
  /** In bytes of the log. */
  progress: { begins(totalBytes: number): void; copied(what: string, plainBytes: number): void };
};

export type Copied = {
  /** Its time was over: whoever asks again gets on. */
  isUnfinished: boolean;
  copied: number;
  repaired: number;
  there: number;
  /** Backups that it lacks because they have expired there. */
  expired: number;
  bytesStored: number;
  failures: CopyFailure[];
  /** Sources that went away meanwhile. */
  away: { repository: string; code: string; message: string }[];
};

type Begun = Pick<Filling, 'diverged' | 'damaged' | 'held' | 'pieces' | 'there' | 'expired'>;

/** What is known while one repository is filled. */
export type Filling = Omit<Copying, 'backup'> &
  Omit<Copied, 'failures' | 'away' | 'isUnfinished'> & {
    /** For each source: the histories whose ids name others in the target. */
    diverged: readonly ReadonlySet<string>[];
    /** As it was listed at the beginning. */
    held: HeldByAll;
    /** Keys that the target is known to hold damaged. */
    damaged: ReadonlySet<string>;
    /** Those of them whose objects were stored again. */
    replaced: Set<string>;
    /** The sound pieces that the target has by now. */
    pieces: Piece[];
    away: Map<string, RstowError>;
    failures: Map<string, CopyFailure>;
  };

export function beginFilling({ sources, target, bandwidth, run, untilMs, progress }: Copying, begun: Begun): Filling {
  const { diverged, damaged, held, pieces, there, expired } = begun;
  return {
    sources,
    target,
    bandwidth,
    run,
    untilMs,
    progress,
    diverged,
    damaged,
    held,
    replaced: new Set(),
    pieces,
    away: new Map(),
    failures: new Map(),
    copied: 0,
    repaired: 0,
    there,
    expired,
    bytesStored: 0,
  };
}

export function copiedSoFar(isUnfinished: boolean, filling: Filling): Copied {
  const { copied, repaired, there, expired, bytesStored, failures, away } = filling;
  const gone = [...away].map(([repository, { code, message }]) => ({ repository, code, message }));
  return { isUnfinished, copied, repaired, there, expired, bytesStored, failures: [...failures.values()], away: gone };
}

type Attempted = { /** Sources by their places in the list. */ from: readonly number[]; isRepair: boolean };

/**
 * Copies an object from the first source that gives it whole, and counts it. Gives which of `from` that was; undefined if none has given it.
 * Fails: as the target does.
 */
export async function attempt(
  filling: Filling,
  { from, isRepair }: Attempted,
  copy: (between: Between, index: number) => Promise<CopiedObject>,
): Promise<number | undefined> {
  const { sources, target, bandwidth, run, away } = filling;
  let failure: RstowError | undefined;
  for (const [index, place] of from.entries()) {
    const source = sources[place] as Store;
    const gone = away.get(source.name);
    failure ??= gone;
    if (gone !== undefined) continue;
    const replacing = new Set<string>();
    const isDamaged = (key: string): boolean => filling.damaged.has(key) && replacing.add(key).has(key);
    try {
      const copied = await copy({ source, place, target, bandwidth, run, isDamaged }, index);
      count(filling, copied, isRepair || replacing.size > 0);
      for (const key of replacing) filling.replaced.add(key);
      return index;
    } catch (error) {
      const met = await faultOfSource(filling, source, error);
      failure ??= met;
    }
  }
  if (failure !== undefined) addFailure(filling, failure);
  return undefined;
}

function count(filling: Filling, { isStored, bytesStored }: CopiedObject, isRepair: boolean): void {
  filling.bytesStored += bytesStored;
  if (isRepair) filling.repaired += 1;
  else if (isStored) filling.copied += 1;
  else filling.there += 1;
}

/** What was met in a source, which is noted there. Fails: with the error, if it is the target's. */
async function faultOfSource({ target, away, run }: Filling, source: Store, error: unknown): Promise<RstowError> {
  if (!(error instanceof RstowError)) throw error;
  if (error.code === 'timeline-diverged') return error;
  if (!isFaultOfRepository(error.code) || error.code === 'not-enough-space') throw error;
  // Either may be away: both are asked.
  await target.confirm();
  try {
    await source.confirm();
    const { key } = error.details;
    if (isObjectDamage(error.code) && typeof key === 'string') await source.damage.record({ key, atMs: Date.now(), runId: run.runId });
  } catch (unanswered) {
    if (!(unanswered instanceof RstowError)) throw unanswered;
    // One that takes no writes is read all the same.
    if (error.code === 'repository-unavailable') away.set(source.name, unanswered);
  }
  return error;
}

function addFailure({ failures }: Filling, { code, message }: RstowError): void {
  const known = failures.get(code);
  if (known === undefined) failures.set(code, { code, count: 1, message });
  else known.count += 1;
}
