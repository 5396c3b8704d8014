import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { sidecarKey, suffixOf } from '../../core/repository/coded-name.ts';
import type { Piece } from '../../core/repository/piece.ts';
import { codedSidecarSchema } from '../../formats/repository/piece.ts';
import { createDigestStage, type StreamDigest } from '../../io/checksum/checksum.ts';
import type { StagedObject } from '../../io/repository/port.ts';
import { readOwn, readSealedBytes, type SealedSchema } from '../../io/repository/sealed-object.ts';
import type { Bandwidth } from '../bandwidth.ts';
import { isThere, makeRoom, putAside } from '../facts.ts';
import type { Store } from '../store.ts';
import { inPresentForm } from '../present-form.ts';
import { plainBytes, requireStored, storedDigest } from '../stored-object.ts';

/** From one repository into another. */
export type Between = {
  source: Store;
  /** Of the source in the list of all. */
  place: number;
  target: Store;
  bandwidth: Bandwidth;
  run: { runId: string; signal: AbortSignal };
  /** Whether the target is known to hold the object damaged: then that is put aside, once the sound one has come. */
  isDamaged: (key: string) => boolean;
};

/** `bytesStored` is 0 if somebody else has stored it meanwhile. */
export type CopiedObject = { isStored: boolean; bytesStored: number };

/**
 * Copies a piece, and its sidecar behind it: what has one is whole. Fails, by the source: missing-object, truncated-object, damaged-object,
 * wrong-key; by either: repository-unavailable. Twice: no-op.
 */
export async function copyPiece(between: Between, piece: Piece): Promise<CopiedObject> {
  const { source, target, run } = between;
  const { timeline, segment, startBytes, endBytes } = piece;
  if (endBytes === startBytes) {
    await target.pieces.putEmpty(timeline, segment, run.runId);
    return { isStored: true, bytesStored: 0 };
  }
  const copy = target.pieces.at(timeline, piece);
  // A rotation of keys may have deleted this form since it was listed.
  return inPresentForm(source.place.repository, piece.key, async (from) => {
    const sidecar = await source.pieces.sidecar({ ...piece, key: from }, run);
    const coded = { from, to: copy.key, sizeBytes: endBytes - startBytes, sidecar };
    return copyCoded(between, coded, (stored) => target.pieces.putSidecar(copy, { ...sidecar, ...stored }));
  });
}

/** What a sidecar says of an object's plain bytes, and of what is stored of them. */
type Promised = Stored & { sha256: string };
type Stored = { storedBytes: number; storedSha256: string };

export type CodedCopy = { from: string; to: string; /** Of the plain bytes. */ sizeBytes: number; sidecar: Promised };

/**
 * Copies an object, and lets its sidecar be put. If both repositories store it in the same form, its bytes travel as they are; else they are
 * decoded and encoded anew. They are held against the source's sidecar while they pass. Fails: as `copyPiece`.
 */
export async function copyCoded(
  between: Between,
  coded: CodedCopy,
  putSidecar: (stored: Stored) => Promise<'stored' | 'exists'>,
): Promise<CopiedObject> {
  const { target } = between;
  const { to } = coded;
  const staged = await target.place.repository.stage(to);
  try {
    const isSameForm = suffixOf(coded.from) === suffixOf(to);
    const stored = await (isSameForm ? asStored(between, coded, staged) : encodedAnew(between, coded, staged));
    if (!(await commitWhole(between, to, staged))) return { isStored: false, bytesStored: 0 };
    const described = { storedBytes: stored.sizeBytes, storedSha256: stored.sha256 };
    if ((await putSidecar(described)) === 'exists' && (await isOfAnother(between, to, described))) {
      await makeRoom(target.place.repository, sidecarKey(to), between.run.runId);
      await putSidecar(described);
    }
    return { isStored: true, bytesStored: stored.sizeBytes };
  } finally {
    await staged.discard();
  }
}

/** Of two who copy an object at once, one may take the other's for that of a dead one, and store its own: the sidecar has to be of what lies there. */
async function isOfAnother({ target, run }: Between, key: string, { storedSha256 }: Stored): Promise<boolean> {
  const { repository } = target.place;
  const there = await readOwn(repository, sidecarKey(key), codedSidecarSchema);
  return there.storedSha256 !== storedSha256 && (await storedDigest(repository, key, run.signal)).sha256 === storedSha256;
}

async function asStored(between: Between, { from, sidecar }: CodedCopy, { sink }: StagedObject): Promise<StreamDigest> {
  const { source, target, bandwidth, run } = between;
  const { signal } = run;
  await target.coding.announce();
  const content = await source.place.repository.openRead(from, { signal });
  if (content === undefined) throw new RstowError('missing-object', `${from} is missing`, { details: { key: from } });
  const stored = createDigestStage();
  await pipeline([content, bandwidth.stage(signal), stored.stream, sink], { signal });
  requireStored({ key: from, sizeBytes: sidecar.storedBytes, sha256: sidecar.storedSha256 }, stored.result());
  return stored.result();
}

async function encodedAnew(between: Between, { from, sizeBytes, sidecar }: CodedCopy, { sink }: StagedObject): Promise<StreamDigest> {
  const { source, target, bandwidth, run } = between;
  const { signal } = run;
  const [plain, stored] = [createDigestStage(), createDigestStage()];
  const content = plainBytes({ repository: source.place.repository, coding: source.coding, key: from, signal, plainBytesMax: sizeBytes });
  const encoding = [...target.coding.encode(sizeBytes), bandwidth.stage(signal), stored.stream];
  await pipeline([Readable.from(content, { objectMode: false }), plain.stream, ...encoding, sink], { signal });
  requireStored({ key: from, sizeBytes, sha256: sidecar.sha256 }, plain.result());
  return stored.result();
}

/** False if another one has stored it whole meanwhile. What lies there without a sidecar is of somebody who died: nobody knows what it holds. */
async function commitWhole({ target, run, isDamaged }: Between, key: string, staged: StagedObject): Promise<boolean> {
  const { repository } = target.place;
  if (isDamaged(key)) for (const part of [key, sidecarKey(key)]) await putAside(repository, part, run.runId);
  while ((await staged.commit(key)) === 'exists') {
    if (await isThere(repository, sidecarKey(key))) return false;
    await makeRoom(repository, key, run.runId);
  }
  return true;
}

/** Copies a small object that carries its own hash, byte for byte. Fails: missing-object; as its reading does. */
export async function copySealed<Content>(between: Between, key: string, schema: SealedSchema<Content>): Promise<CopiedObject> {
  const read = await readSealedBytes(between.source.place.repository, key, schema);
  if (read === undefined) throw new RstowError('missing-object', `${key} is missing`, { details: { key } });
  return putBytes(between, key, read.bytes);
}

/** Puts it in the place of one that is damaged, if the target has such a one. */
export async function putBytes({ target, run, isDamaged }: Between, key: string, bytes: Uint8Array): Promise<CopiedObject> {
  const { repository } = target.place;
  if (isDamaged(key)) await putAside(repository, key, run.runId);
  const isStored = (await repository.put(key, bytes)) === 'stored';
  return { isStored, bytesStored: isStored ? bytes.length : 0 };
}
