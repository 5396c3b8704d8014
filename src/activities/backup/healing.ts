import type { Fence, Healing } from '../../formats/repository/plans.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { Warning } from '../../contract/result.ts';
import { parsePieceKey, type Piece } from '../../core/repository/piece.ts';
import { promisedHashes } from '../../store/pieces.ts';
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
  const { plan: healing } = await store.plans.healing.keep(runId, await decide(target, work));
  const [damaged, lost] = [new Set(healing.damaged), new Set(healing.lost)];
  for (const piece of work.stored) {
    if (damaged.has(piece.key)) await store.pieces.putAside(piece, runId);
  }
  const sound = work.stored.filter(({ key: stored }) => !damaged.has(stored) && !lost.has(stored));
  return { sound, healing };
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
export type CloseHealedInput = { database: string; repository: string; atMs: number };

/**
 * Once the manifest is written: backups that failed a check because of an object that is stored again don't count as
 * failed any more, and nobody stores it once more. Fails: repository-unavailable. Twice: the same.
 */
export const closeHealed =
  (deps: ActivityDeps) =>
  async ({ database, repository, atMs }: CloseHealedInput, { runId }: Pick<RunPort, 'runId'>): Promise<void> => {
    const store = await deps.openStore(database, repository);
    const healing = await store.plans.healing.ofRun(runId);
    const healed = new Set([...healing.damaged, ...healing.missing]);
    const closed = (await store.damage.known()).filter(({ key }) => healed.has(key));
    for (const [label, damages] of Map.groupBy(closed, (damage) => damage.label)) {
      const repairedKeys = [...new Set(damages.map(({ key }) => key))];
      await store.facts.recordVerification({ label, level: 'checksums', atMs, runId, held: false, repairedKeys });
    }
    for (const damage of closed) await store.damage.close({ damage, runId });
  };

async function decide(target: PieceTarget, { fence, stored, before }: HealingWork): Promise<Healing> {
  const { store } = target;
  const presentBytes = new Map<number, number>(fence.segments.map(({ segment, endBytes }) => [segment, endBytes]));
  const known = new Set((await store.damage.known()).map(({ key }) => key));
  const newest = newestPiece(stored);
  if (newest !== undefined && !(await store.pieces.isSoundAtAGlance(newest, target))) known.add(newest.key);
  const bad = stored.filter((piece) => known.has(piece.key));
  const isPresent = (piece: Piece): boolean => (presentBytes.get(piece.segment) ?? 0) >= piece.endBytes;
  const listed = new Set(stored.map(({ key }) => key));
  const promised = [...promisedHashes(before).keys()].filter((key) => !listed.has(key));
  const missing = promised.filter((key) => presentBytes.has(parsePieceKey(key)?.segment ?? -1));
  return {
    format: 1,
    damaged: bad.filter(isPresent).map(({ key }) => key),
    missing,
    lost: bad.filter((piece) => !isPresent(piece)).map(({ key }) => key),
  };
}

function newestPiece(stored: readonly Piece[]): Piece | undefined {
  return stored.reduce<Piece | undefined>((newest, piece) => (newest === undefined || isLater(piece, newest) ? piece : newest), undefined);
}

const isLater = (one: Piece, other: Piece): boolean =>
  one.segment - other.segment > 0 || (one.segment === other.segment && one.endBytes > other.endBytes);
