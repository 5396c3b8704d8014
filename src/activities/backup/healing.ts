import { setTimeout as delay } from 'node:timers/promises';
import type { Fence, Healing } from '../../formats/repository/plans.ts';
import type { Manifest, ManifestSegment } from '../../formats/repository/manifest.ts';
import type { Warning } from '../../contract/result.ts';
import { isLocked } from '../../core/errors/error-table.ts';
import { type Piece, rangeKeyOf } from '../../core/repository/piece.ts';
import { closeDamage } from '../../store/facts.ts';
import type { Store } from '../../store/store.ts';
import { namedKeys, type PieceTarget, storedAgain } from './piece-store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

export type HealingWork = {
  fence: Fence;
  stored: readonly Piece[];
  /** The newest backup of this history. */
  before: Manifest | undefined;
};

/**
 * Puts aside what is known to be damaged, or is seen to be, so that its bytes are stored again from the data directory.
 * Gives the pieces that are left, and what was decided. Twice: the first decision stands.
 */
export async function putDamagedAside(target: PieceTarget, work: HealingWork): Promise<{ sound: Piece[]; healing: Healing }> {
  const { store, runId } = target;
  const healing = await keptDecision(target, await decide(target, work));
  const [damaged, lost] = [new Set(healing.damaged), new Set(healing.lost)];
  for (const piece of work.stored) {
    if (damaged.has(piece.key)) await store.pieces.putAside(piece, runId);
  }
  const sound = work.stored.filter(({ key: stored }) => !damaged.has(stored) && !lost.has(stored));
  return { sound, healing };
}

const isNothing = ({ damaged, missing, lost }: Healing): boolean => [...damaged, ...missing, ...lost].length === 0;

/** Nothing needn't be kept: but an attempt before may have mended what this one doesn't find any more. */
async function keptDecision({ store, timeline, runId }: PieceTarget, decided: Healing): Promise<Healing> {
  const plans = store.plans.healing(timeline);
  return isNothing(decided) ? ((await plans.find(runId)) ?? decided) : (await plans.keep(runId, decided)).plan;
}

/** What the result says of it. */
export function healingWarnings({ damaged, missing, lost }: Healing): Warning[] {
  const again = [...damaged, ...missing];
  const warnings = again.length > 0 ? [storedAgain(again)] : [];
  if (lost.length === 0) return warnings;
  const message = `${namedKeys(lost)} can’t be stored again: the data directory no longer has the bytes`;
  return [...warnings, { code: 'damaged-object', message }];
}

/** `atMs`: of the run's clock, as the checks have theirs. */
export type CloseHealedInput = { database: string; repository: string; timeline: string; atMs: number };

/**
 * Once the manifest is written: backups that failed a check because of an object that is stored again don't count as
 * failed any more, and nobody stores it once more. Fails: repository-unavailable. Twice: the same.
 */
export const closeHealed =
  (deps: ActivityDeps) =>
  async ({ database, repository, timeline, atMs }: CloseHealedInput, { runId }: Pick<RunPort, 'runId'>): Promise<void> => {
    const store = await deps.openStore(database, repository);
    const healing = await store.plans.healing(timeline).ofRun(runId);
    await closeDamage(store, { keys: new Set([...healing.damaged, ...healing.missing]), atMs, runId });
  };

async function decide(target: PieceTarget, { fence, stored, before }: HealingWork): Promise<Healing> {
  const { store } = target;
  const presentBytes = new Map<number, number>(fence.segments.map(({ segment, endBytes }) => [segment, endBytes]));
  const isPresent = (piece: Piece): boolean => (presentBytes.get(piece.segment) ?? 0) >= piece.endBytes;
  const known = new Set((await store.damage.known()).map(({ key }) => key));
  const newest = newestPiece(stored);
  if (newest !== undefined && !(await store.pieces.isSoundAtAGlance(newest, target))) known.add(newest.key);
  for (const { key } of await unvouched(target, stored.filter(isPresent))) known.add(key);
  const bad = stored.filter((piece) => known.has(piece.key));
  const listed = new Set(stored.map(({ key }) => rangeKeyOf(key)));
  const promised = (before?.segments ?? []).filter(({ segment }) => presentBytes.has(segment)).flatMap(piecesOfSegment(store));
  const missing = promised.map(({ key }) => key).filter((key) => !listed.has(rangeKeyOf(key)));
  return {
    format: 1,
    damaged: bad.filter(isPresent).map(({ key }) => key),
    missing,
    lost: bad.filter((piece) => !isPresent(piece)).map(({ key }) => key),
  };
}

/** Between a piece and its sidecar, which somebody else may be about to store. */
const SIDECAR_WAIT_MS = 10_000;
const SIDECAR_POLL_MS = 250;

/** A host without a key can't make the sidecar of a piece that has none: it stores the piece once more. */
async function unvouched(target: PieceTarget, present: readonly Piece[]): Promise<Piece[]> {
  const { pieces } = target.store;
  const locked: Piece[] = [];
  for (const piece of present.filter((each) => pieces.isBare(each))) if (await staysLocked(target, piece)) locked.push(piece);
  return locked;
}

async function staysLocked(target: PieceTarget, piece: Piece): Promise<boolean> {
  for (let waitedMs = 0; ; waitedMs += SIDECAR_POLL_MS) {
    try {
      await target.store.pieces.sidecar(piece, target);
      return false;
    } catch (error) {
      if (!isLocked(error)) return false;
      if (waitedMs >= SIDECAR_WAIT_MS) return true;
      await delay(SIDECAR_POLL_MS);
    }
  }
}

const piecesOfSegment =
  ({ pieces }: Store) =>
  ({ segment, ranges }: ManifestSegment): Piece[] =>
    ranges.map((range) => pieces.at(range.timeline, { segment, ...range }));

function newestPiece(stored: readonly Piece[]): Piece | undefined {
  return stored.reduce<Piece | undefined>((newest, piece) => (newest === undefined || isLater(piece, newest) ? piece : newest), undefined);
}

const isLater = (one: Piece, other: Piece): boolean =>
  one.segment - other.segment > 0 || (one.segment === other.segment && one.endBytes > other.endBytes);
