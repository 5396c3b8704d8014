import type { WalRange } from '../wal/wal-offset.ts';
import { SUFFIX_PATTERN } from './coded-name.ts';
import { databaseKey } from './object-keys.ts';
import { signedText } from './signing.ts';
import { parseRangePath, type Piece, rangePath } from './piece.ts';

/**
 * When bytes of a log came (Unix ms, by the clock of the host): after `sinceMs`, at which they weren't there, and by `seenMs`. 0: nobody
 * looked before.
 */
export type TimeWindow = { sinceMs: number; seenMs: number };

/** What a name says of its object's plain bytes, and who says so; the same in each stored form. @see Signing.signInName */
type Proof = { sha256: string; signature: string };

/** What the continuous archive has stored of a segment, moments after it came: a piece that lives until others cover it. */
export type StreamPiece = Piece & TimeWindow & { proof?: Proof | undefined };

const PROOF_PATTERN = '(?:\\.([0-9a-f]{64})\\.([A-Za-z0-9_-]{86}))?';
const STREAM_KEY = new RegExp(`/stream/([0-9]{4,9})/([^/]+/[^/.]+)\\.([0-9]{13})-([0-9]{13})${PROOF_PATTERN}\\.wal${SUFFIX_PATTERN}$`);
const TIMES_KEY = /\/times\/([0-9]{4,9})\/([^/]+\/[^/.]+)\.([0-9]{13})-([0-9]{13})\.json$/;

/** Of all timelines. */
export const streamsPrefix = (database: string): string => databaseKey(database, 'stream/');

export const streamPrefix = (database: string, timeline: string): string => `${streamsPrefix(database)}${timeline}/`;

/** `suffix`: of its stored form. */
export function streamKey(
  database: string,
  timeline: string,
  piece: WalRange & TimeWindow & Pick<StreamPiece, 'proof'> & { suffix: string },
): string {
  const { proof, suffix } = piece;
  const proofText = proof === undefined ? '' : proofTextOf(proof);
  return `${streamPrefix(database, timeline)}${rangePath(piece)}.${windowText(piece)}${proofText}.wal${suffix}`;
}

/** What is signed of an object: the hash of its plain bytes, and its name without what says how they are stored, and by whom. */
export function provedText(database: string, { timeline, ...piece }: Omit<StreamPiece, 'key'>, sha256: string): string {
  return signedText(streamKey(database, timeline, { ...piece, proof: undefined, suffix: '' }), sha256);
}

const proofTextOf = ({ sha256, signature }: Proof): string => `.${sha256}.${signature}`;

export const parseStreamKey = (key: string): StreamPiece | undefined => parseTimedKey(STREAM_KEY, key);

/** When the records of a range of the log came: what stays of the archive's small objects. */
export type TimedRange = StreamPiece;

export const timesPrefix = (database: string, timeline: string): string => databaseKey(database, `times/${timeline}/`);

export function timesKey(database: string, timeline: string, range: WalRange & TimeWindow): string {
  return `${timesPrefix(database, timeline)}${rangePath(range)}.${windowText(range)}.json`;
}

export const parseTimesKey = (key: string): TimedRange | undefined => parseTimedKey(TIMES_KEY, key);

function parseTimedKey(pattern: RegExp, key: string): StreamPiece | undefined {
  const [, timeline, path, since, seen, sha256, signature] = pattern.exec(key) ?? [];
  const range = path === undefined ? undefined : parseRangePath(path);
  if (range === undefined || timeline === undefined) return undefined;
  const proof = sha256 === undefined || signature === undefined ? undefined : { sha256, signature };
  return { key, timeline, ...range, sinceMs: Number(since), seenMs: Number(seen), proof };
}

/** 13 digits hold the milliseconds of the next centuries, and sort. */
function windowText({ sinceMs, seenMs }: TimeWindow): string {
  return `${msText(sinceMs)}-${msText(seenMs)}`;
}

function msText(ms: number): string {
  return String(ms).padStart(13, '0');
}
