import { zstdCompressSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { type PieceTarget, storePiece } from '../../../../src/activities/backup/piece-store.ts';
import type { PieceContent } from '../../../../src/store/record-cut.ts';
import { storeIn } from '../../../support/store-in.ts';
import type { Sidecar } from '../../../../src/formats/repository/piece.ts';
import { parsePieceKey, type Piece, timelinePrefix } from '../../../../src/core/repository/piece.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { BOUNDARIES, DATABASE, keysOf, makeScene, type Scene, SEGMENT, storedBytes } from '../scene.ts';

const segment = goldenSegment();
const TARGET = BOUNDARIES[10]!;

const targetOf = async ({ deps }: Scene, runId = 'run'): Promise<PieceTarget> => ({
  store: await deps.openStore(DATABASE),
  timeline: '0001',
  runId,
});

async function store(scene: Scene, bytes: Uint8Array, targetBytes = TARGET): Promise<PieceContent> {
  const path = await scene.writeSegment(bytes);
  const { signal } = new AbortController();
  return storePiece(await targetOf(scene), SEGMENT, { path, startBytes: 0, targetBytes, tornTailMs: 100, signal });
}

const sidecarOf = (target: PieceTarget, piece: Piece): Promise<Sidecar> => target.store.pieces.sidecar(piece, target);

const walKeys = ({ repository }: Scene): Promise<string[]> => keysOf(repository, timelinePrefix(DATABASE, '0001'));

it('stores a piece and its sidecar, ending with the record that reaches the target', async () => {
  const scene = await makeScene();
  const content = await store(scene, segment, TARGET - 1);
  expect(content).toMatchObject({ endBytes: TARGET, records: 10 });
  const stem = `databases/orders/wal/0001/0000000000000001/0000000000-${TARGET.toString(16).padStart(10, '0')}`;
  expect(await walKeys(scene)).toEqual([`${stem}.wal.zst`, `${stem}.wal.zst.json`]);
});

it('skips what is stored already: same key, same bytes', async () => {
  const scene = await makeScene();
  const first = await store(scene, segment);
  const before = await Promise.all((await walKeys(scene)).map((key) => storedBytes(scene.repository, key)));
  expect(await store(scene, segment)).toEqual(first);
  expect(await Promise.all((await walKeys(scene)).map((key) => storedBytes(scene.repository, key)))).toEqual(before);
});

it('makes a missing sidecar anew by reading the piece, with the same facts', async () => {
  const scene = await makeScene();
  await store(scene, segment);
  const [pieceKey, sidecar] = await walKeys(scene);
  const piece = parsePieceKey(pieceKey!)!;
  const written = await sidecarOf(await targetOf(scene), piece);
  await scene.repository.deleteMany([sidecar!]);
  expect(await sidecarOf(await targetOf(scene, 'later'), piece)).toEqual({ ...written, runId: 'later' });
  await scene.repository.deleteMany([sidecar!]);
  await store(scene, segment);
  expect(await walKeys(scene)).toEqual([pieceKey, sidecar]);
});

it('refuses other bytes under the name of a stored piece', async () => {
  const scene = await makeScene();
  await store(scene, segment);
  const other = segment.slice();
  // No checksum covers a sequence number, so these are valid records and other bytes.
  other[23] = other[23]! ^ 0x40;
  await expect(store(scene, other)).rejects.toMatchObject({ code: 'timeline-diverged', details: { key: (await walKeys(scene))[0] } });
});

it('stores nothing where there is not one whole record', async () => {
  const scene = await makeScene();
  expect(await store(scene, segment.slice(0, 20), 20)).toMatchObject({ records: 0, end: { kind: 'torn', positionBytes: 0 } });
  expect(await walKeys(scene)).toEqual([]);
});

it('stores the whole records before a torn end', async () => {
  const scene = await makeScene();
  const bytes = segment.slice(0, TARGET + 5);
  expect(await store(scene, bytes, bytes.length)).toMatchObject({ endBytes: TARGET, end: { kind: 'torn', positionBytes: TARGET } });
  expect(await walKeys(scene)).toHaveLength(2);
});

it('stores nothing when it is cancelled', async () => {
  const scene = await makeScene();
  const path = await scene.writeSegment(segment);
  const signal = AbortSignal.abort(new Error('cancelled'));
  await expect(
    storePiece(await targetOf(scene), SEGMENT, { path, startBytes: 0, targetBytes: TARGET, tornTailMs: 100, signal }),
  ).rejects.toThrow();
  expect(await walKeys(scene)).toEqual([]);
});

it('calls a piece damaged as soon as it unpacks to more than its name says, and reads no further', async () => {
  const { repository } = await makeScene();
  const key = 'databases/orders/wal/0001/0000000000000001/0000000000-0000001000.wal.zst';
  const blanks = 256 * 1024 * 1024;
  await repository.put(key, zstdCompressSync(Buffer.alloc(blanks, 0x20)));
  const before = process.memoryUsage().rss;
  await expect((await storeIn(repository)).pieces.sidecar(parsePieceKey(key)!, { runId: 'run' })).rejects.toMatchObject({
    code: 'damaged-object',
    message: expect.stringContaining('unpacks to more than the 4096 bytes') as string,
  });
  expect(process.memoryUsage().rss - before).toBeLessThan(blanks / 2);
});
