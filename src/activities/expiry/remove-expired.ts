import { RstowError } from '../../core/errors/rstow-error.ts';
import { CLOCK_TOLERANCE_MS } from '../../core/retention/expiry-plan.ts';
import { sidecarKey } from '../../core/repository/coded-name.ts';
import { type AgedPiece, unneededPieces } from '../../core/retention/unneeded-pieces.ts';
import type { Store } from '../../store/store.ts';
import { countedText } from '../../core/text/figures.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { lineOfPieces, listStored, objectOfSidecar, type Stored } from './stored-objects.ts';
import { whatIsNeeded } from './needed.ts';

/** So long a manifest lies in the trash before what it alone needs goes, and so old is whatever goes. */
const TRASH_MS = 86_400_000;

/** So long it stays known what came of a run. */
const RUNS_KEPT_MS = 400 * 86_400_000;

/** As many are deleted at once; before each of them it is asked whether nothing has changed. */
const BATCH_MAX = 500;

export type RemoveInput = {
  database: string;
  repository: string;
  /** By the orchestrator's clock (Unix ms). */
  nowMs: number;
  /** Whether it only counts. */
  isDry: boolean;
};

export type Removed = {
  /** Manifests that have lain in the trash for a day. */
  manifests: number;
  /** Pieces of the log, of which a larger one has the bytes of `superseded`. */
  pieces: number;
  superseded: number;
  /** Sidecars, attachments, facts and names of backups that are gone, and records of runs that ended long ago. */
  others: number;
  /** As they are stored. */
  bytes: number;
  /** Why objects stay that might go, each in a sentence. */
  stays: string[];
};

/**
 * Deletes what nothing refers to any more, by a listing of its own: the pieces first that no manifest, plan or history needs, then what lay beside
 * backups that are gone. In doubt all of it stays. Fails: owner-outdated, cancelled, repository-unavailable. Twice: nothing is left to delete.
 */
export const removeExpired =
  (deps: ActivityDeps) =>
  async ({ database, repository, nowMs, isDry }: RemoveInput, run: RunPort): Promise<Removed> => {
    const store = await deps.openStore(database, repository);
    const { timeline: inUse } = await store.owner.require();
    if (Math.abs(Date.now() - nowMs) > CLOCK_TOLERANCE_MS)
      return { ...NOTHING, stays: ['the clocks of this host and of Temporal disagree'] };
    const beforeMs = nowMs - TRASH_MS;
    // Before the references: what comes in between is not listed.
    const stored = await listStored(store, run.signal);
    const needed = await whatIsNeeded(deps, store, { inUse, nowMs, beforeMs });
    if (needed.doubts.length > 0) return { ...NOTHING, stays: needed.doubts };
    const going = await chosen(store, { stored, needed, beforeMs, nowMs }, run);
    if (isDry) return going.counted(new Map());
    const refused: Refused = new Map();
    const before = await namesOfHistory(store);
    const requireUnchanged = async (): Promise<void> => {
      await run.checkOpen();
      await store.owner.require();
      await store.confirm();
      if ((await namesOfHistory(store)) !== before) throw new RstowError('store-incomplete', 'a history or an owner has changed meanwhile');
    };
    for (let first = 0; first < going.keys.length; first += BATCH_MAX) {
      await requireUnchanged();
      await deleteBatch(store, going.keys.slice(first, first + BATCH_MAX), { refused, requireUnchanged, signal: run.signal });
      const asked = going.keys.slice(0, first + BATCH_MAX);
      requireSomeGone(asked, refused);
      run.report({ doing: `deleting: ${asked.length} of ${going.keys.length}` });
    }
    return going.counted(refused);
  };

/** Why each of them stays, by key. */
type Refused = Map<string, RstowError>;

/** So many in a row may be an outage; if none of more goes, the repository lets nothing be deleted. */
const REFUSED_MAX = 10;

type Deleting = { refused: Refused; requireUnchanged: () => Promise<void>; signal: AbortSignal };

/** What can't be deleted now is left to a later run, and keeps no other from going. */
async function deleteBatch({ place: { repository } }: Store, keys: readonly string[], deleting: Deleting): Promise<void> {
  const { refused, requireUnchanged, signal } = deleting;
  const refusalOf = async (some: readonly string[]): Promise<RstowError | undefined> => {
    try {
      await repository.deleteMany(some, { signal });
      return undefined;
    } catch (error) {
      if (isRefusal(error)) return error;
      throw error;
    }
  };
  if ((await refusalOf(keys)) === undefined) return;
  await requireUnchanged();
  let inARow = 0;
  for (const key of keys) {
    if (refused.has(objectOfSidecar(key))) continue;
    const refusal = await refusalOf([key]);
    inARow = refusal === undefined ? 0 : inARow + 1;
    if (refusal === undefined) continue;
    refused.set(key, refusal);
    if (inARow % REFUSED_MAX === 0) await requireUnchanged();
  }
}

/** Fails: repository-unavailable. */
function requireSomeGone(keys: readonly string[], refused: Refused): void {
  const [refusal] = refused.values();
  const isAll = keys.every((key) => refused.has(key) || refused.has(objectOfSidecar(key)));
  if (refusal !== undefined && isAll && refused.size > REFUSED_MAX) throw refusal;
}

const isRefusal = (error: unknown): error is RstowError => error instanceof RstowError && error.code === 'repository-unavailable';

const NOTHING: Removed = { manifests: 0, pieces: 0, superseded: 0, others: 0, bytes: 0, stays: [] };

async function namesOfHistory(store: Store): Promise<string> {
  return (await store.claims.names(0)).join('\n');
}

type Choosing = { stored: Stored; needed: Awaited<ReturnType<typeof whatIsNeeded>>; beforeMs: number; nowMs: number };

type Chosen = { keys: string[]; counted: (refused: Refused) => Removed };

async function chosen(store: Store, { stored, needed, beforeMs, nowMs }: Choosing, run: RunPort): Promise<Chosen> {
  const { references, timelines, keptTimelines, labels, expiredKeys } = needed;
  const { orphans, superseded } = unneededPieces({ pieces: stored.pieces, references, timelines, keptTimelines, beforeMs });
  const sound = await soundOnes(store, superseded, run);
  const replaced = superseded.filter(({ by }) => sound.has(by.key)).map(({ piece }) => piece);
  const small = unneededPieces({ pieces: stored.small, references, timelines, keptTimelines, beforeMs }).orphans;
  const others = stored.others.filter(({ modifiedAtMs, label }) => modifiedAtMs <= beforeMs && !labels.has(label));
  const runs = stored.runs.filter(({ endedAtMs }) => endedAtMs <= nowMs - RUNS_KEPT_MS);
  const bare = stored.bareSidecars.filter(({ modifiedAtMs }) => modifiedAtMs <= beforeMs);
  const pieces = [...orphans, ...replaced, ...small];
  const rest = [...others, ...runs, ...bare];
  const unsound = new Set(superseded.filter(({ by }) => !sound.has(by.key)).map(({ by }) => by.key));
  return {
    keys: [...expiredKeys, ...pieces.flatMap(({ key }) => lineOfPieces(stored, key)), ...rest.map(({ key }) => key)],
    counted: (refused) => {
      const isGone = ({ key }: { key: string }): boolean => !refused.has(key);
      const [gonePieces, goneOthers] = [pieces.filter(isGone), rest.filter(isGone)];
      return {
        manifests: expiredKeys.filter((key) => isGone({ key })).length,
        pieces: gonePieces.length,
        superseded: replaced.filter(isGone).length,
        others: goneOthers.length,
        bytes: [...gonePieces, ...goneOthers].reduce((sum, { key }) => sum + (stored.sizes.get(key) ?? 0), 0),
        stays: [
          ...[...unsound].slice(0, STAYS_MAX).map((key) => `what ${key} has replaced stays, because that can’t be proved sound`),
          ...[...refused].slice(0, STAYS_MAX).map(([key, { message }]) => `${key} stays until a later run: ${message}`),
          ...(refused.size > STAYS_MAX ? [`and ${countedText(refused.size - STAYS_MAX, 'other object')} as well`] : []),
        ],
      };
    },
  };
}

const STAYS_MAX = 10;

/** A piece that takes the place of others is read whole before they go. Gives the keys of those that hold what they should. */
async function soundOnes(store: Store, superseded: readonly { by: AgedPiece }[], run: RunPort): Promise<Set<string>> {
  const sound = new Set<string>();
  const passedOver = new Set((await store.damage.known()).map(({ key }) => key));
  for (const by of new Map(superseded.map((each) => [each.by.key, each.by])).values()) {
    if (passedOver.has(by.key) || passedOver.has(sidecarKey(by.key))) continue;
    try {
      await store.pieces.check(by, { runId: run.runId }, run.signal);
      sound.add(by.key);
    } catch (error) {
      if (!(error instanceof RstowError) || error.code === 'cancelled' || error.code === 'repository-unavailable') throw error;
    }
    run.report({ doing: `reading what replaces others: ${sound.size}` });
  }
  return sound;
}
