import { type CopyPlan, planCopy, soundPieces } from '../../core/repository/copy-plan.ts';
import type { Piece } from '../../core/repository/piece.ts';
import { markSchema } from '../../formats/repository/history.ts';
import { closeDamage } from '../facts.ts';
import { sideBySide } from '../small-batches.ts';
import type { Store } from '../store.ts';
import { copyBackup } from './copy-backup.ts';
import { putClaim, putTimelines } from './copy-history.ts';
import { copyPiece, copySealed } from './copy-object.ts';
import { attempt, beginFilling, type Copied, type Copying, copiedSoFar, type Filling } from './filling.ts';
import { heldOfAll, heldOfBackup } from './held-objects.ts';

/**
 * Puts into one repository what others have of the database's backups and it lacks, or holds damaged: histories and the owner's claim
 * first, pieces, attachments, marks, manifests last. So whatever interrupts it, each manifest there finds its pieces, and whoever begins
 * again copies what is left. What a source can't give whole is taken from the next one, and noted as damaged in the first. What checks
 * have found is not copied: it is of the copy that they read. Fails: repository-unavailable, not-enough-space, of the target.
 */
export async function copyBackups(copying: Copying): Promise<Copied> {
  const { target, sources, backup, run } = copying;
  const diverged = await putHistory(copying);
  const held = backup === undefined ? await heldOfAll(copying) : await heldOfBackup(copying, backup);
  const damaged = new Set((await target.damage.known()).map(({ key }) => key));
  const of = held.sources.map((objects, index) => ({ objects, diverged: diverged[index] ?? new Set<string>() }));
  // Whoever names a backup wants it.
  const expired = new Set(backup === undefined ? (await target.retention.expired()).map(({ label }) => label) : []);
  const plan = planCopy({ sources: of, target: held.target, damaged, expired, suffix: target.coding.suffix });
  const filling = beginFilling(copying, {
    diverged,
    damaged,
    held,
    pieces: soundPieces({ target: held.target, damaged }),
    there: plan.there,
    expired: plan.expired,
  });
  const connections = connectionsOf(target, sources);
  filling.progress.begins(plan.pieces.reduce((sum, { from }) => sum + plainBytes(from[0]?.piece), 0));
  await sideBySide(inTime(plan.pieces, filling), connections, (planned) => fillPiece(filling, planned));
  const isUnfinished = Date.now() >= filling.untilMs;
  if (!isUnfinished) await fillBackups(filling, plan, connections);
  // The next turn would store them once more.
  if (filling.replaced.size > 0) await closeDamage(target, { keys: filling.replaced, atMs: Date.now(), runId: run.runId });
  return copiedSoFar(isUnfinished, filling);
}

async function fillBackups(filling: Filling, { marks, backups }: CopyPlan, connections: number): Promise<void> {
  await sideBySide(marks, connections, async ({ key, from }) => {
    await attempt(filling, { from, isRepair: false }, (between) => copySealed(between, key, markSchema));
  });
  await sideBySide(backups, connections, async ({ label, from, isRepair }) => {
    await attempt(filling, { from, isRepair }, (between) => copyBackup(filling, between, label));
  });
}

/** As many of them as are begun before the time is over. */
function* inTime<Item>(items: readonly Item[], { untilMs }: Filling): Generator<Item> {
  for (const item of items) {
    if (Date.now() >= untilMs) return;
    yield item;
  }
}

/** Gives, for each source, the histories whose ids name others in the target. */
async function putHistory({ sources, target }: Copying): Promise<Set<string>[]> {
  const timelines = await target.timelines.all();
  const diverged: Set<string>[] = [];
  for (const source of sources) diverged.push(new Set(await putTimelines(target, timelines, await source.timelines.all())));
  const { owner } = await target.owner.find();
  if (owner !== undefined) await putClaim(target, owner);
  return diverged;
}

/** No more calls than each of the repositories has threads or sockets for. */
function connectionsOf(target: Store, sources: readonly Store[]): number {
  return Math.min(...[target, ...sources].map(({ place }) => place.repository.properties.connections));
}

type PieceToFill = { id: string; from: { source: number; piece: Piece }[]; isRepair: boolean };

async function fillPiece(filling: Filling, { id, from, isRepair }: PieceToFill): Promise<void> {
  const sources = from.map(({ source }) => source);
  const pieceOf = (index: number): Piece => (from[index] as PieceToFill['from'][number]).piece;
  const index = await attempt(filling, { from: sources, isRepair }, (between, at) => copyPiece(between, pieceOf(at)));
  if (index !== undefined) filling.pieces.push(pieceOf(index));
  filling.progress.copied(id, plainBytes(from[0]?.piece));
}

function plainBytes(piece: Piece | undefined): number {
  return piece === undefined ? 0 : piece.endBytes - piece.startBytes;
}
