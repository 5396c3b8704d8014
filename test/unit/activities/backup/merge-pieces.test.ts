import { createHash } from 'node:crypto';
import { appendFile, rm, writeFile } from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { manifestSegments } from '../../../../src/activities/backup/write-manifest.ts';
import { pinWal, unpinWal } from '../../../../src/activities/backup/prepare-backup.ts';
import { storeSegments, type StoredSegments } from '../../../../src/activities/backup/store-segments.ts';
import { makeSegmentId } from '../../../../src/core/wal/wal-offset.ts';
import type { ManifestRange } from '../../../../src/formats/repository/manifest.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { BOUNDARIES, DATABASE, keysOf, makeScene, replaceObject, runOf, type Scene, SEGMENT, storedBytes } from '../scene.ts';

const segment = goldenSegment();
const where = { database: DATABASE, repository: 'local', timeline: '0001' };
const ENDS = BOUNDARIES.slice(1);
const NEXT = makeSegmentId(2)!;

async function backUp(scene: Scene, runId: string): Promise<StoredSegments> {
  const run = runOf(runId);
  const { fenceKey } = await pinWal(scene.deps)(where, run);
  const stored = await storeSegments(scene.deps)({ ...where, fenceKey }, run);
  await unpinWal(scene.deps)(where, run);
  return stored;
}

/** One backup for each record of the segment, up to this many. */
async function backUpEach(scene: Scene, records: number): Promise<string> {
  const path = await scene.writeSegment(new Uint8Array());
  for (let index = 0; index < records; index += 1) {
    await appendFile(path, segment.subarray(BOUNDARIES[index], BOUNDARIES[index + 1]));
    await backUp(scene, `run${index}`);
  }
  return path;
}

/** What a manifest would say of the golden segment. */
async function rangesOf({ deps }: Scene, { extentsKey }: StoredSegments): Promise<ManifestRange[]> {
  const opened = await deps.openStore(DATABASE);
  const { segments: extents } = await opened.plans.extents().read(extentsKey);
  const added = { pieces: 0, storedBytes: 0, plainBytes: 0 };
  const work = { store: opened, timeline: '0001', run: runOf('manifest'), added, storedAgain: [] };
  return (await manifestSegments(work, extents)).find((each) => each.segment === SEGMENT)?.ranges ?? [];
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const wholeKey = `databases/${DATABASE}/wal/0001/0000000000000001/0000000000-${segment.length.toString(16).padStart(10, '0')}`;

async function plainOf(repository: Repository, key: string): Promise<Buffer> {
  return zstdDecompressSync(await storedBytes(repository, key));
}

const expectOnePiece = async (scene: Scene, stored: StoredSegments): Promise<void> => {
  const [only, ...others] = await rangesOf(scene, stored);
  expect(others).toEqual([]);
  expect(only).toMatchObject({ startBytes: 0, endBytes: segment.length, sha256: hashOf(segment), records: ENDS.length });
  expect(hashOf(await plainOf(scene.repository, `${wholeKey}.wal.zst`))).toBe(hashOf(segment));
};

/** Where the next segment has begun, so that nobody writes to the golden one any more. */
async function sealedScene(): Promise<{ scene: Scene; path: string }> {
  const scene = await makeScene();
  const path = await backUpEach(scene, ENDS.length);
  await scene.writeSegment(segment.subarray(0, BOUNDARIES[1]), NEXT);
  return { scene, path };
}

it('names at most sixteen pieces of the segment that grows, and leaves the smaller ones for older manifests', async () => {
  const scene = await makeScene();
  const path = await scene.writeSegment(new Uint8Array());
  for (let index = 0; index < ENDS.length; index += 1) {
    await appendFile(path, segment.subarray(BOUNDARIES[index], BOUNDARIES[index + 1]));
    const stored = await backUp(scene, `run${index}`);
    const ranges = await rangesOf(scene, stored);
    expect(ranges.length).toBeLessThanOrEqual(16);
    expect(ranges.at(-1)?.endBytes).toBe(ENDS[index]);
    for (const { startBytes, endBytes, sha256 } of ranges) expect(sha256).toBe(hashOf(segment.subarray(startBytes, endBytes)));
  }
  expect(ENDS.length).toBeGreaterThan(17);
  const pieces = (await keysOf(scene.repository)).filter((key) => key.endsWith('.wal.zst'));
  expect(pieces.length).toBeGreaterThan(ENDS.length);
});

it('makes a segment one piece at the first backup that finds a newer one', async () => {
  const { scene } = await sealedScene();
  const stored = await backUp(scene, 'sealed');
  expect(stored.warnings).toEqual([]);
  await expectOnePiece(scene, stored);
});

it('merges nothing again', async () => {
  const { scene } = await sealedScene();
  await backUp(scene, 'sealed');
  const before = await keysOf(scene.repository, `databases/${DATABASE}/wal/`);
  const again = await backUp(scene, 'again');
  expect(await keysOf(scene.repository, `databases/${DATABASE}/wal/`)).toEqual(before);
  await expectOnePiece(scene, again);
});

it('merges the stored pieces of a segment that compaction has deleted', async () => {
  const { scene, path } = await sealedScene();
  await rm(path);
  await expectOnePiece(scene, await backUp(scene, 'sealed'));
});

it('goes on where it died between a merged piece and its sidecar', async () => {
  const { scene } = await sealedScene();
  await backUp(scene, 'sealed');
  await scene.repository.deleteMany([`${wholeKey}.json`]);
  await expectOnePiece(scene, await backUp(scene, 'again'));
});

it('lets two runs merge at once', async () => {
  const { scene } = await sealedScene();
  const [one, other] = await Promise.all([backUp(scene, 'one'), backUp(scene, 'other')]);
  await expectOnePiece(scene, one);
  await expectOnePiece(scene, other);
});

it('merges the stored pieces if the file is no longer what was stored of it, and says so', async () => {
  const { scene, path } = await sealedScene();
  const changed = segment.slice();
  changed[BOUNDARIES[3]! - 2]! ^= 1;
  await writeFile(path, changed);
  const stored = await backUp(scene, 'sealed');
  expect(stored.warnings.map(({ code }) => code)).toEqual(['source-damaged']);
  await expectOnePiece(scene, stored);
});

it('says of a file that is no longer what was stored of it, also if it is asked once more', async () => {
  const { scene, path } = await sealedScene();
  const changed = segment.slice();
  changed[BOUNDARIES[3]! - 2]! ^= 1;
  await writeFile(path, changed);
  const first = await backUp(scene, 'sealed');
  // The agent died before it could answer.
  expect(await backUp(scene, 'sealed')).toMatchObject({ extentsKey: first.extentsKey, warnings: first.warnings });
});

it('never merges bytes of another history that are sound records', async () => {
  const { scene, path } = await sealedScene();
  const other = segment.slice();
  // No checksum covers a sequence number.
  other[BOUNDARIES[3]! + 23]! ^= 0x40;
  await writeFile(path, other);
  const stored = await backUp(scene, 'sealed');
  expect(stored.warnings.map(({ code }) => code)).toEqual(['source-damaged']);
  await expectOnePiece(scene, stored);
});

it('needs no piece that is damaged while the file has its bytes', async () => {
  const { scene } = await sealedScene();
  const [key = ''] = (await keysOf(scene.repository)).filter((each) => each.endsWith('.wal.zst'));
  await replaceObject(scene.repository, key, Buffer.from('rot'));
  await expectOnePiece(scene, await backUp(scene, 'sealed'));
});

it('leaves pieces alone one of which is damaged, says so, and makes the backup all the same', async () => {
  const { scene, path } = await sealedScene();
  await rm(path);
  const end = wholeKey.slice(wholeKey.lastIndexOf('-'));
  const [key = ''] = (await keysOf(scene.repository)).filter((each) => each.endsWith(`${end}.wal.zst`));
  await replaceObject(scene.repository, key, Buffer.from('rot'));
  const stored = await backUp(scene, 'sealed');
  expect(stored.warnings.map(({ code }) => code)).toEqual(['damaged-object']);
  expect(await keysOf(scene.repository, wholeKey)).toEqual([]);
});
