import { beforeEach, expect, it } from 'vitest';
import { pinWal } from '../../../../src/activities/backup/prepare-backup.ts';
import { storeSegments } from '../../../../src/activities/backup/store-segments.ts';
import { sidecarKey } from '../../../../src/core/repository/coded-name.ts';
import { type Piece, rangeKeyOf } from '../../../../src/core/repository/piece.ts';
import { sidecarSchema } from '../../../../src/formats/repository/piece.ts';
import { zstdCoding } from '../../../../src/io/coding/zstd.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { putSealed } from '../../../../src/io/repository/sealed-object.ts';
import { signingBy } from '../../../../src/io/signing/object-signature.ts';
import { newPrivateKeyText, signingKeyOf } from '../../../../src/io/signing/ssh-key.ts';
import { encodedBytes } from '../../../../src/store/stored-object.ts';
import type { Store } from '../../../../src/store/store.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { BOUNDARIES, DATABASE, keysOf, makeScene, replaceObject, runOf, type Scene, SEGMENT } from '../scene.ts';

const own = signingKeyOf(newPrivateKeyText(), 'own.key');
const foreign = signingKeyOf(newPrivateKeyText(), 'foreign.key');
const segment = goldenSegment();
const [, cutBytes = 0] = BOUNDARIES;
const endBytes = BOUNDARIES.at(-1) ?? 0;
const where = { database: DATABASE, repository: 'local', timeline: '0001' };
const { signal } = new AbortController();

/** As the disk has it, and whoever else writes there. */
let disk: Repository;
let scene: Scene;
let store: Store;
let passedOver: string[];

beforeEach(async () => {
  disk = createMemoryRepository();
  passedOver = [];
  const signing = signingBy(own, [], (key) => passedOver.push(key));
  scene = await makeScene({ ...disk, signing });
  await scene.writeSegment(segment);
  store = await scene.deps.openStore(DATABASE);
});

async function storeAll(runId: string): Promise<void> {
  const { fenceKey } = await pinWal(scene.deps)(where, runOf(runId));
  await storeSegments(scene.deps)({ ...where, fenceKey }, runOf(runId));
}

/** Other bytes than the log's: whole records all the same. */
const forgedBytes = (): Promise<Uint8Array> => encodedBytes(zstdCoding, [segment.subarray(0, cutBytes), segment.subarray(0, cutBytes)]);

/** With a sidecar that says what it holds, and is signed by nobody or by a stranger. */
async function forge(piece: Piece, by?: typeof foreign): Promise<void> {
  await disk.put(piece.key, await forgedBytes());
  const value = await (await (await makeScene(disk)).deps.openStore(DATABASE)).pieces.readWhole(piece, { runId: 'forger' });
  await putSealed({ ...disk, signing: by && signingBy(by) }, sidecarKey(piece.key), { schema: sidecarSchema, value });
}

const forgedPiece = (): Piece => store.pieces.at('0001', { segment: SEGMENT, startBytes: 0, endBytes: 2 * cutBytes });

it.each([
  ['nobody', undefined],
  ['a stranger', foreign],
])('uses no piece whose sidecar %s has signed, names it, and signs no other for it', async (_who, by) => {
  const piece = forgedPiece();
  await forge(piece, by);
  expect(await store.pieces.of('0001')).toEqual([]);
  expect(passedOver).toEqual([piece.key]);
  const untrusted = { code: 'untrusted-object', details: { key: piece.key } };
  await expect(store.pieces.sidecar(piece, { runId: 'run' })).rejects.toMatchObject(untrusted);
  await expect(store.pieces.contentFrom(piece, 0, signal)).rejects.toMatchObject(untrusted);
  await storeAll('run');
  const [stored] = await (await scene.deps.openStore(DATABASE)).pieces.of('0001');
  expect(stored).toMatchObject({ startBytes: 0, endBytes });
});

it('stores the log’s own bytes in the place of a piece that claims its name', async () => {
  const piece = store.pieces.at('0001', { segment: SEGMENT, startBytes: 0, endBytes });
  await disk.put(piece.key, await forgedBytes());
  await storeAll('run');
  expect(await keysOf(disk, 'trash/')).toContain(`trash/run/${piece.key}`);
  expect(await store.pieces.contentFrom(piece, 0, signal)).toMatchObject({ records: BOUNDARIES.length - 1 });
});

it('makes a lost sidecar anew only of bytes that are known otherwise', async () => {
  await storeAll('run');
  const [piece] = (await store.pieces.of('0001')) as [Piece];
  const { sha256 } = await store.pieces.sidecar(piece, { runId: 'run' });
  await disk.deleteMany([sidecarKey(piece.key)]);
  await expect(store.pieces.sidecar(piece, { runId: 'run' })).rejects.toMatchObject({ code: 'untrusted-object' });
  const other = new Map([[rangeKeyOf(piece.key), 'ab'.repeat(32)]]);
  await expect(store.pieces.sidecar(piece, { runId: 'run', promised: other })).rejects.toMatchObject({ code: 'damaged-object' });
  const promised = new Map([[rangeKeyOf(piece.key), sha256]]);
  expect(await store.pieces.sidecar(piece, { runId: 'run', promised })).toMatchObject({ sha256 });
  expect(await store.pieces.sidecar(piece, { runId: 'run' })).toMatchObject({ sha256 });
});

it('stores a piece’s bytes anew only if they are what its sidecar says', async () => {
  await storeAll('run');
  const [piece] = (await store.pieces.of('0001')) as [Piece];
  const read = async (): Promise<number> => {
    let sizeBytes = 0;
    for await (const chunk of store.pieces.checkedBytes(piece, signal)) sizeBytes += chunk.length;
    return sizeBytes;
  };
  expect(await read()).toBe(endBytes);
  await replaceObject(disk, piece.key, await forgedBytes());
  await expect(read()).rejects.toMatchObject({ code: 'damaged-object', details: { key: piece.key } });
});
