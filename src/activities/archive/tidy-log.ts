import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lackingRanges, planTidying } from '../../core/archive/tidying.ts';
import { baselineOf } from '../../core/backup/history.ts';
import { isLocked, isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Piece } from '../../core/repository/piece.ts';
import { missingRanges } from '../../core/wal/continuity.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { archivePinFolder } from '../../io/data-directory/pins.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { noteSource } from '../backup/noted-source.ts';
import type { FollowedLog } from './archived-log.ts';
import { continuingFiles, type FollowerState, heldFiles, pathIn, relist, say, sourceOf } from './followed-files.ts';
import { type Tidied, tidySegment } from './tidy-segment.ts';

/** Puts the whole archive of a log in order, and finds out what was lost of it. Fails: owner-outdated, timeline-diverged, repository-unavailable. Twice: nothing is left to do. */
export async function tidyLog(followed: FollowedLog, state: FollowerState): Promise<void> {
  const { owner, callsCost } = followed.store;
  await owner.require(owner.keptMs);
  const known = new Set(state.log.all().map(({ key }) => key));
  const mayDelete = !callsCost || isDeletionDue(followed, state);
  await relist(followed, state, mayDelete);
  const { log } = state;
  // Whoever else has stored something there meanwhile, as a clone of this host does, shows by it.
  if (!callsCost || log.all().some(({ key }) => !known.has(key))) await continuingFiles(followed, log);
  const files = await heldFiles(followed, state, (await listSegments(followed.database.walDir)) ?? []);
  const sizes = new Map(files.map(({ segment, sizeBytes }) => [segment, sizeBytes]));
  let asked: Promise<unknown> | undefined;
  const mayWrite = async (): Promise<void> => {
    await (asked ??= owner.require());
  };
  await settleAll({ followed, mayWrite, mayDelete }, state, sizes);
  for (const segment of log.segments()) {
    const sizeBytes = sizes.get(segment);
    const isSealed = segment < state.newest && (sizeBytes === undefined || sizeBytes === state.stored.get(segment));
    const path = sizeBytes === undefined ? undefined : pathIn(followed, segment);
    await tidyUnlessDamaged({ followed, log, path, mayWrite, mayDelete }, state, { segment, isSealed });
  }
}

/** Where calls cost, nothing is deleted or unpinned by what is only remembered, and the repository is listed for that no more often. */
const DELETIONS_MS = 600_000;

function isDeletionDue({ database }: FollowedLog, state: FollowerState): boolean {
  if (performance.now() - state.listedAtMs < DELETIONS_MS) return false;
  const { log, pinned, stored, newest } = state;
  const oldestMs = Date.now() - database.settings.archive.keptMs;
  return log.segments().some((segment) => {
    const [wal, stream] = [log.walOf(segment), log.streamOf(segment)];
    const isWhole = (sizeBytes: number | undefined): boolean => sizeBytes !== undefined && lackingRanges(wal, sizeBytes).length === 0;
    if (segment < newest && pinned.has(segment) && isWhole(stored.get(segment))) return true;
    return planTidying({ wal, stream, isSealed: false }).covered.some(({ seenMs }) => seenMs < oldestMs);
  });
}

type Settling = Pick<Tidied, 'followed' | 'mayWrite' | 'mayDelete'>;
type Sizes = ReadonlyMap<SegmentId, number>;

/** By one listing, before anything is merged: an hour's small objects are too many to list them twice. What is merged now, the next time finds. */
async function settleAll(settling: Settling, state: FollowerState, sizes: Sizes): Promise<void> {
  const { followed } = settling;
  const { store, timeline } = followed;
  const segments = new Set([...state.log.segments(), ...sizes.keys()]);
  const holes: string[] = [];
  for (const segment of segments) {
    const hole = await settle(settling, state, { segment, sizeBytes: sizes.get(segment) });
    if (hole !== undefined) holes.push(hole);
  }
  const baseline = baselineOf(await store.timelines.having(timeline), timeline)?.segment;
  const missing = missingRanges([...segments], baseline).map(({ first, last }) => missingText(first, last));
  await declare(followed, state, [...missing, ...holes]);
}

const missingText = (first: number, last: number): string => (first === last ? `segment ${first}` : `segments ${first} to ${last}`);

/** An object that can't be read any more must not keep what comes behind it from being stored. */
async function tidyUnlessDamaged(tidied: Tidied, state: FollowerState, of: Parameters<typeof tidySegment>[1]): Promise<void> {
  try {
    await tidySegment(tidied, of);
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    const { name } = tidied.followed.database;
    if (isLocked(error)) {
      const sentence = `the archive of "${name}" leaves small objects as they are whose segments have no file on this host any more: it has no key of the set ${String(error.details['keySet'])}, by which they are encrypted`;
      say(tidied.followed, state, { kind: 'archive-locked', code: error.code, sentence });
    } else if (isObjectDamage(error.code)) {
      const sentence = `the archive of "${name}" can't be put in order: ${error.message}`;
      say(tidied.followed, state, { kind: 'archive-stalled', code: error.code, sentence });
    } else {
      throw error;
    }
  }
}

type Settled = { segment: SegmentId; /** Of its file; undefined if there is none any more. */ sizeBytes: number | undefined };

/** What the listing lacks, the next look stores again; what is whole in wal/ needs no pin. Gives what nobody has any more. */
async function settle(settling: Settling, state: FollowerState, { segment, sizeBytes }: Settled): Promise<string | undefined> {
  const { followed, mayWrite, mayDelete } = settling;
  const pieces = state.log.piecesOf(segment);
  if (sizeBytes === undefined) return holeText({ segment, pieces });
  const isSettled = state.stored.get(segment) === sizeBytes;
  if (lackingRanges(pieces, sizeBytes).length > 0) {
    state.stored.delete(segment);
    state.ends.delete(segment);
  }
  // Compaction may delete it, and then the log would seem to lack a segment.
  if (pieces.length === 0 && isSettled && segment < state.newest) {
    await mayWrite();
    await followed.store.pieces.putEmpty(followed.timeline, segment, followed.run.runId);
  }
  // One that a look has found grown meanwhile is not.
  const isWhole = state.stored.get(segment) === sizeBytes && lackingRanges(state.log.walOf(segment), sizeBytes).length === 0;
  if (mayDelete && isWhole && segment < state.newest && state.pinned.has(segment)) await unpin(followed, state, segment);
  return undefined;
}

function holeText({ segment, pieces }: { segment: SegmentId; pieces: readonly Piece[] }): string | undefined {
  const [hole] = lackingRanges(pieces, Math.max(0, ...pieces.map(({ endBytes }) => endBytes)));
  return hole && `bytes ${hole.startBytes} to ${hole.endBytes} of ${segmentFileName(segment)}`;
}

/** Each hole is said once, whoever follows the log then. */
async function declare(followed: FollowedLog, state: FollowerState, holes: readonly string[]): Promise<void> {
  const { deps, database, timeline } = followed;
  for (const hole of holes.filter((each) => !state.holes.has(each))) {
    const sentence = `the archive of "${database.name}" lacks ${hole}, and no file has that any more: no point behind it can be recovered on timeline ${timeline}`;
    deps.events.record({ kind: 'archive-hole', database: database.name, code: 'wal-gap', sentence });
  }
  if (holes.length === state.holes.size && holes.every((hole) => state.holes.has(hole))) return;
  state.holes = new Set(holes);
  await noteSource(sourceOf(followed), holes);
}

async function unpin({ database, timeline }: FollowedLog, { pinned }: FollowerState, segment: SegmentId): Promise<void> {
  await rm(join(archivePinFolder(database.dataDir, timeline), segmentFileName(segment)), { force: true });
  pinned.delete(segment);
}
