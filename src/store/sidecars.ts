import type { Warning } from '../contract/result.ts';
import { isObjectDamage } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { sidecarKey } from '../core/repository/coded-name.ts';
import { parsePieceKey, type Piece, piecesBySegment, rangeKeyOf } from '../core/repository/piece.ts';
import { type Sidecar, sidecarSchema } from '../formats/repository/piece.ts';
import { createDigestStage, createSha256 } from '../io/checksum/checksum.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';
import { remembered } from '../io/repository/wrap/recall.ts';
import { isThere, putAside } from './facts.ts';
import { createRecordCut, type PieceContent } from './record-cut.ts';
import { allEnded } from './small-batches.ts';
import { checkStored, missingObject, plainBytes, storedDigest, type StoredPiece } from './stored-object.ts';

/** For which run, and who hears what was found on the way. */
export type PieceRun = {
  runId: string;
  warn?: ((warning: Warning) => void) | undefined;
  /** Whether a sidecar that this process has read or written needn't be read again, where calls cost. */
  recalls?: boolean | undefined;
  /** The hashes of the plain bytes that are known by other means, by `rangeKey`: what else would be there is none of ours. */
  promised?: Hashes | undefined;
};

export type Hashes = ReadonlyMap<string, string>;

type SidecarScope = {
  repository: Repository;
  coding: Coding;
  /** What the newest backup of a timeline's history promises, by `rangeKey`. */
  promisedOf: (timeline: string) => Promise<Hashes>;
};

/** What is known of stored pieces, beside them. */
export type Sidecars = {
  /**
   * One that is missing or damaged is made anew by reading the piece: if signatures are required, only of a piece whose hash is known.
   * Fails: missing-object, truncated-object, damaged-object, untrusted-object, all of the piece. Twice: the same.
   */
  ensure(piece: Piece, run: PieceRun): Promise<Sidecar>;
  /** Whether the piece is listed with the size that its sidecar says; one whose sidecar is lost is read. Fails: as `ensure`. */
  isSoundAtAGlance(piece: Piece, run: PieceRun): Promise<boolean>;
  /** What the piece holds, by reading all of it. Fails: missing-object, truncated-object, damaged-object. */
  readWhole(piece: Piece, runId: string): Promise<Sidecar>;
  /** Of a piece without bytes: it needs no key. Fails: missing-object. */
  ofEmpty(piece: Piece, runId: string): Promise<Sidecar>;
  /** Reads the piece as it is stored. Fails: as `ensure`. */
  check(piece: Piece, run: PieceRun, signal: AbortSignal): Promise<Pick<Sidecar, 'sha256' | 'storedBytes'>>;
  /** @see Pieces.contentFrom */
  contentFrom(piece: Piece, fromBytes: number, signal: AbortSignal): Promise<Pick<PieceContent, 'sha256' | 'records'>>;
  /** @see Pieces.checkedBytes */
  checkedBytes(piece: Piece, signal: AbortSignal): AsyncGenerator<Uint8Array>;
  /**
   * The pieces that may be used: all, or if signatures are required, those that a signed backup names or a signed sidecar describes. Of
   * what such backups' pieces cover already, nothing else is used: so few sidecars are read.
   */
  trusted(pieces: readonly Piece[], promised: Hashes): Promise<Piece[]>;
};

export function sidecarsOf(scope: SidecarScope): Sidecars {
  const { repository, coding } = scope;
  const isTrusted = rememberedTrust(repository);
  return {
    ensure: (piece, run) => ensureSidecar(scope, piece, run),
    isSoundAtAGlance: (piece, run) => isSoundAtAGlance(scope, piece, run),
    readWhole: (piece, runId) => readWholePiece(scope, piece, runId),
    ofEmpty: (piece, runId) => emptySidecar(repository, piece, runId),
    check: async (piece, run, signal) => {
      const { sha256, storedBytes, storedSha256 } = await ensureSidecar(scope, piece, run);
      await checkStored(repository, { key: piece.key, sizeBytes: storedBytes, sha256: storedSha256 }, signal);
      return { sha256, storedBytes };
    },
    contentFrom: async (piece, fromBytes, signal) => {
      const known = await sidecarIfNeeded(repository, piece);
      if (known !== undefined && fromBytes === piece.startBytes) return known;
      return readPiece({ repository, coding, signal }, piece, { fromBytes, sha256: known?.sha256 });
    },
    checkedBytes: async function* (piece, signal) {
      const known = await sidecarIfNeeded(repository, piece);
      const { key, startBytes, endBytes } = piece;
      const hash = createSha256();
      let last: Uint8Array | undefined;
      for await (const chunk of plainBytes({ repository, coding, key, signal, plainBytesMax: endBytes - startBytes })) {
        hash.update(chunk);
        if (last !== undefined) yield last;
        last = Uint8Array.from(chunk);
      }
      if (known !== undefined && hash.digestHex() !== known.sha256) throw otherBytes(key);
      if (last !== undefined) yield last;
    },
    trusted: async (pieces, promised) => {
      if (repository.signing?.isRequired !== true) return [...pieces];
      const held = pieces.filter(({ key }) => promised.has(rangeKeyOf(key)));
      const others = beyond(held, pieces);
      const verdicts = await inTurns(others, isTrusted);
      return [...held, ...others.filter((_, index) => verdicts[index])];
    },
  };
}

/** So many are read side by side. */
const READ_AT_ONCE = 6;

async function inTurns(pieces: readonly Piece[], ask: (piece: Piece) => Promise<boolean>): Promise<boolean[]> {
  const answers: boolean[] = [];
  for (let at = 0; at < pieces.length; at += READ_AT_ONCE) answers.push(...(await allEnded(pieces.slice(at, at + READ_AT_ONCE).map(ask))));
  return answers;
}

/** A sidecar is never changed, so what was trusted once is read no more. */
function rememberedTrust(repository: Repository): (piece: Piece) => Promise<boolean> {
  const known = new Set<string>();
  return async ({ key }) => {
    if (known.has(key)) return true;
    const sidecar = await readUnlessDamaged(remembered(repository), sidecarKey(key));
    if (sidecar === undefined || sidecar === 'damaged') {
      repository.signing?.onPassedOver(key);
      return false;
    }
    known.add(key);
    return true;
  };
}

/** Those of which the held ones lack something. */
function beyond(held: readonly Piece[], pieces: readonly Piece[]): Piece[] {
  const keys = new Set(held.map(({ key }) => key));
  const bySegment = piecesBySegment(held);
  return pieces.filter((piece) => !keys.has(piece.key) && !isCovered(piece, bySegment.get(piece.segment) ?? []));
}

function isCovered({ startBytes, endBytes }: Piece, held: readonly Piece[]): boolean {
  let positionBytes = startBytes;
  for (const other of held.toSorted((one, two) => one.startBytes - two.startBytes)) {
    if (other.startBytes <= positionBytes) positionBytes = Math.max(positionBytes, other.endBytes);
  }
  return positionBytes >= endBytes && endBytes > 0;
}

async function ensureSidecar(scope: SidecarScope, piece: Piece, run: PieceRun): Promise<Sidecar> {
  const { repository } = scope;
  const key = sidecarKey(piece.key);
  const there = await readUnlessDamaged(run.recalls === true ? remembered(repository) : repository, key);
  if (there !== undefined && there !== 'damaged') return there;
  const remade = await heldContent(scope, piece, run);
  if (there === 'damaged') {
    await putAside(repository, key, run.runId);
    run.warn?.({
      code: 'sidecar-remade',
      message: `${key} was damaged, and was made anew from its piece: see whether the repository’s disk is failing`,
    });
  }
  await putSealed(repository, key, { schema: sidecarSchema, value: remade });
  return remade;
}

/** Whoever signs what a piece holds must know by others that these are its bytes. */
async function heldContent(scope: SidecarScope, piece: Piece, run: PieceRun): Promise<Sidecar> {
  if (scope.repository.signing?.isRequired !== true) return readWholePiece(scope, piece, run.runId);
  const range = rangeKeyOf(piece.key);
  const sha256 = run.promised?.get(range) ?? (await scope.promisedOf(piece.timeline)).get(range);
  if (sha256 === undefined) throw unsigned(await requireThere(scope.repository, piece.key));
  const content = await readWholePiece(scope, piece, run.runId);
  if (content.sha256 !== sha256) throw otherBytes(piece.key);
  return content;
}

/** The log was listed a moment before. */
const GLANCE_MS = 10_000;

async function isSoundAtAGlance(scope: SidecarScope, piece: Piece, run: PieceRun): Promise<boolean> {
  const { storedBytes } = await ensureSidecar(scope, piece, run);
  for await (const { key, sizeBytes } of scope.repository.list(piece.key, { recalledMs: GLANCE_MS }))
    if (key === piece.key) return sizeBytes === storedBytes;
  throw missingObject(piece.key);
}

async function readWholePiece({ repository, coding }: SidecarScope, piece: Piece, runId: string): Promise<Sidecar> {
  const stored = createDigestStage();
  const { signal } = new AbortController();
  const reading = { repository, coding, signal, storedStage: stored.stream };
  const content = await readPiece(reading, piece, { fromBytes: piece.startBytes });
  const { sizeBytes: storedBytes, sha256: storedSha256 } = stored.result();
  const { records, sha256, lastRecord } = content;
  return { format: 1, runId, sha256, records, storedBytes, storedSha256, lastRecord };
}

async function emptySidecar(repository: Repository, { key }: Piece, runId: string): Promise<Sidecar> {
  const { records, sha256, lastRecord } = createRecordCut({ startBytes: 0, targetBytes: 0 }).content();
  const { sizeBytes: storedBytes, sha256: storedSha256 } = await storedDigest(repository, key, new AbortController().signal);
  return { format: 1, runId, sha256, records, storedBytes, storedSha256, lastRecord };
}

/** The archive's small pieces have none: their names say it. Fails: untrusted-object, if there has to be one. */
async function sidecarIfNeeded(repository: Repository, { key }: Piece): Promise<Sidecar | undefined> {
  if (parsePieceKey(key) === undefined) return undefined;
  const there = await readUnlessDamaged(repository, sidecarKey(key));
  if (there !== undefined && there !== 'damaged') return there;
  if (repository.signing?.isRequired === true) throw unsigned(await requireThere(repository, key));
  return undefined;
}

type PieceReading = Pick<StoredPiece, 'repository' | 'coding' | 'signal' | 'storedStage'>;

/** `sha256`: of all its plain bytes, if that is known. */
type PieceWanted = { fromBytes: number; sha256?: string | undefined };

/** Its records from one of their boundaries on. Fails: missing-object, truncated-object, damaged-object. */
async function readPiece(reading: PieceReading, piece: Piece, { fromBytes, sha256 }: PieceWanted): Promise<PieceContent> {
  const { key, startBytes, endBytes } = piece;
  const cut = createRecordCut({ startBytes: fromBytes, targetBytes: endBytes });
  const whole = createSha256();
  let positionBytes = startBytes;
  for await (const chunk of plainBytes({ ...reading, key, plainBytesMax: endBytes - startBytes })) {
    if (sha256 !== undefined) whole.update(chunk);
    cut.push(chunk.subarray(Math.max(0, fromBytes - positionBytes)));
    positionBytes += chunk.length;
  }
  const content = cut.content();
  if (content.endBytes === endBytes) {
    if (sha256 !== undefined && whole.digestHex() !== sha256) throw otherBytes(key);
    return content;
  }
  const fault = content.end.kind === 'corrupt' ? 'damaged-object' : 'truncated-object';
  throw new RstowError(fault, `${key} holds whole records only up to byte ${content.endBytes}`, { details: { key } });
}

async function readUnlessDamaged(repository: Repository, key: string): Promise<Sidecar | 'damaged' | undefined> {
  try {
    return await readSealed(repository, key, sidecarSchema);
  } catch (error) {
    if (error instanceof RstowError && isObjectDamage(error.code)) return 'damaged';
    throw error;
  }
}

/** Gives the key. Fails: missing-object. */
export async function requireThere(repository: Repository, key: string): Promise<string> {
  if (await isThere(repository, key)) return key;
  throw missingObject(key);
}

function unsigned(key: string): RstowError {
  const sentence = `${key} is known by no record that a trusted key has signed: neither a backup names it, nor a sidecar describes it`;
  return new RstowError('untrusted-object', sentence, { details: { key } });
}

function otherBytes(key: string): RstowError {
  return new RstowError('damaged-object', `${key} holds other bytes than are known of it`, { details: { key } });
}
