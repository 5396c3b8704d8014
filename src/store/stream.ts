import type { TimelineNode } from '../core/backup/history.ts';
import {
  parseStreamKey,
  parseTimesKey,
  provedText,
  streamKey,
  streamPrefix,
  type StreamPiece,
  type TimedRange,
  timesKey,
  timesPrefix,
  type TimeWindow,
} from '../core/repository/stream-piece.ts';
import type { TimeMark } from '../core/repository/time-marks.ts';
import type { WalRange } from '../core/wal/wal-offset.ts';
import { timesSchema } from '../formats/repository/times.ts';
import { createSha256 } from '../io/checksum/checksum.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readOwn } from '../io/repository/sealed-object.ts';
import { piecesOfHistory } from './pieces.ts';
import { encodedBytes } from './stored-object.ts';

/**
 * The log as the continuous archive stores it, a second behind the server: small pieces, and when their records came. Nothing
 * refers to one of them for long: they are merged, and deleted once others cover them.
 */
export type Stream = {
  /** Those whose bytes belong to the timeline, its parents' up to the fork included. `recalledMs`: @see ListOptions. Fails: timeline-diverged. */
  of(timeline: string, recalledMs?: number): Promise<StreamPiece[]>;
  /** All of one timeline, its parents' not. */
  ofTimeline(timeline: string): Promise<StreamPiece[]>;
  /** Puts whole records, durably. Twice: no-op. */
  put(timeline: string, piece: WalRange & TimeWindow, plainBytes: readonly Uint8Array[]): Promise<StreamPiece>;
  /** For which ranges it is known when their records came; as `of`. */
  times(timeline: string, recalledMs?: number): Promise<TimedRange[]>;
  /** Fails: missing-object, damaged-object. */
  readTimes(range: TimedRange): Promise<TimeMark[]>;
  /** Twice: no-op. */
  putTimes(timeline: string, range: WalRange & TimeWindow, marks: readonly TimeMark[]): Promise<void>;
  /** Deletes what others cover. Twice: no-op. */
  remove(objects: readonly { key: string }[]): Promise<void>;
};

type Scope = {
  repository: Repository;
  database: string;
  coding: Coding;
  timelines: (timeline: string) => Promise<ReadonlyMap<string, TimelineNode>>;
};

export function streamOf({ repository, database, coding, timelines }: Scope): Stream {
  const listed = async (timeline: string, kind: ListedKind, recalledMs?: number): Promise<StreamPiece[]> =>
    piecesOfHistory(await timelines(timeline), {
      database,
      timeline,
      listTimeline: (one) => listTimed(repository, kind, { database, timeline: one, recalledMs }),
    });
  return {
    of: (timeline, recalledMs) => listed(timeline, STREAM, recalledMs),
    ofTimeline: (timeline) => listTimed(repository, STREAM, { database, timeline }),
    put: async (timeline, piece, plainBytes) => {
      const proof = proofOf({ repository, database }, { ...piece, timeline }, plainBytes);
      const key = streamKey(database, timeline, { ...piece, proof, suffix: coding.suffix });
      await repository.put(key, await encodedBytes(coding, plainBytes));
      return { ...piece, timeline, key, proof };
    },
    times: (timeline, recalledMs) => listed(timeline, TIMES, recalledMs),
    readTimes: async ({ key }) => (await readOwn(repository, key, timesSchema)).marks,
    putTimes: async (timeline, range, marks) => {
      const key = timesKey(database, timeline, range);
      await putSealed(repository, key, { schema: timesSchema, value: { format: 1, marks: [...marks] } });
    },
    remove: (objects) => repository.deleteMany(objects.map(({ key }) => key)),
  };
}

type ListedKind = { prefixOf: (database: string, timeline: string) => string; parse: (key: string) => StreamPiece | undefined };

const STREAM: ListedKind = { prefixOf: streamPrefix, parse: parseStreamKey };
const TIMES: ListedKind = { prefixOf: timesPrefix, parse: parseTimesKey };

async function listTimed(
  repository: Repository,
  { prefixOf, parse }: ListedKind,
  of: { database: string; timeline: string; recalledMs?: number | undefined },
): Promise<StreamPiece[]> {
  const pieces: StreamPiece[] = [];
  for await (const key of repository.keys(prefixOf(of.database, of.timeline), { recalledMs: of.recalledMs ?? 0 })) {
    const piece = parse(key);
    if (piece !== undefined && (parse !== parseStreamKey || isTrusted({ repository, database: of.database }, piece))) pieces.push(piece);
  }
  return pieces;
}

type Place = { repository: Repository; database: string };

/** It has no sidecar, so as to cost one call and not two: its name bears hash and signature. */
function proofOf(
  { repository, database }: Place,
  piece: Omit<StreamPiece, 'key'>,
  plainBytes: readonly Uint8Array[],
): StreamPiece['proof'] {
  const { signing } = repository;
  if (signing === undefined) return undefined;
  const hash = createSha256();
  for (const chunk of plainBytes) hash.update(chunk);
  const sha256 = hash.digestHex();
  return { sha256, signature: signing.signInName(provedText(database, piece, sha256)) };
}

/** By its name; whether it holds those bytes shows when it is read. */
function isTrusted({ repository: { signing }, database }: Place, piece: StreamPiece): boolean {
  if (signing?.isRequired !== true) return true;
  const { proof } = piece;
  if (proof !== undefined && signing.isSignedInName(provedText(database, piece, proof.sha256), proof.signature)) return true;
  signing.onPassedOver(piece.key);
  return false;
}
