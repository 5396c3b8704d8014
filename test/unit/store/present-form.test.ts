/** Objects are deleted under whoever has listed them, when keys are rotated. */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { storeBytes } from '../../../src/activities/backup/piece-store.ts';
import { sidecarKey } from '../../../src/core/repository/coded-name.ts';
import { makeSegmentId } from '../../../src/core/wal/wal-offset.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import { sha256Hex } from '../../../src/io/checksum/checksum.ts';
import type { Store } from '../../../src/store/store.ts';
import { goldenSegment } from '../../fixtures/wal/golden.ts';
import { storeIn } from '../../support/store-in.ts';
import { ageKeys } from './age-keys.ts';

const bytes = goldenSegment();
const SEGMENT = makeSegmentId(1)!;
const LABEL = '20261130T010000Z-hot';
const run = { runId: 'reader', signal: new AbortController().signal };

/** Under the old keys, and as a host sees it that has both. */
async function stored(): Promise<{ repository: Repository; store: Store; rotate: () => Promise<void> }> {
  const { older, rotating } = await ageKeys();
  const repository = createMemoryRepository();
  const before = await storeIn(repository, 'orders', { installationId: 'one', coding: older });
  await before.timelines.create({ generation: 1, parent: null, why: 'first', runId: 'claim', createdAtMs: 1 });
  const source = { startBytes: 0, targetBytes: bytes.length, signal: run.signal, bytes: () => Readable.from([bytes]) };
  await storeBytes({ store: before, timeline: '0001', runId: 'backup' }, SEGMENT, source);
  await before.attachments.put({ label: LABEL, name: 'machines.json', runId: 'backup', signal: run.signal }, Readable.from([bytes]));
  const store = await storeIn(repository, 'orders', { installationId: 'one', coding: rotating });
  const rotate = async (): Promise<void> => {
    const { objects } = await store.rotation.batch({ objectsMax: 10 });
    const renewed = await Promise.all(objects.map((object) => store.rotation.renew(object, run)));
    await store.rotation.retire(
      renewed.filter((each) => each !== undefined),
      run.signal,
    );
  };
  return { repository, store, rotate };
}

const wholeLog = (records: number, endBytes: number) => [
  { segment: SEGMENT, ranges: [{ timeline: '0001', startBytes: 0, endBytes, sha256: sha256Hex(bytes.subarray(0, endBytes)), records }] },
];

it('reads pieces that were listed before their keys were rotated', async () => {
  const { store, rotate } = await stored();
  const [piece] = await store.pieces.of('0001');
  const { records, sha256 } = await store.pieces.sidecar(piece!, run);
  const [planned] = await store.pieces.plan({ database: 'orders', segments: wholeLog(records, piece!.endBytes) });
  await rotate();
  expect(await buffer(store.pieces.bytes({ key: piece!.key, signal: run.signal }))).toEqual(Buffer.from(bytes));
  expect(await buffer(store.pieces.segment({ planned: planned!, signal: run.signal }))).toEqual(Buffer.from(bytes));
  expect(await store.pieces.sidecar(piece!, run)).toMatchObject({ records, sha256 });
  expect(await store.pieces.readWhole(piece!, run)).toMatchObject({ records, sha256 });
  expect(await store.pieces.contentFrom(piece!, 0, run.signal)).toMatchObject({ records, sha256 });
  expect(await store.pieces.check(piece!, run, run.signal)).toMatchObject({ sha256 });
  expect(await store.pieces.isSoundAtAGlance(piece!, run)).toBe(true);
});

it('reads an attachment between the new form and its sidecar, and when the old one is gone', async () => {
  const { repository, store, rotate } = await stored();
  const attachment = { name: 'machines.json', sizeBytes: bytes.length, sha256: sha256Hex(bytes) };
  const of = { label: LABEL, attachment, signal: run.signal };
  const { objects } = await store.rotation.batch({ objectsMax: 10 });
  const { key, renewedKey } = objects.find((object) => object.key.includes('machines.json'))!;
  const read = async (): Promise<void> => {
    expect(await buffer(store.attachments.read(of))).toEqual(Buffer.from(bytes));
    expect(await store.attachments.check(of)).toBeGreaterThan(0);
  };
  await store.rotation.renew({ ...objects[0]!, key, renewedKey }, run);
  await repository.deleteMany([sidecarKey(renewedKey)]);
  await read();
  await rotate();
  await read();
});

it('says of a piece that is gone in every form that it is missing', async () => {
  const { store } = await stored();
  const [piece] = await store.pieces.of('0001');
  await store.pieces.putAside(piece!, 'somebody');
  await expect(store.pieces.sidecar(piece!, run)).rejects.toMatchObject({ code: 'missing-object', details: { key: piece!.key } });
  expect(await store.pieces.isSoundAtAGlance(piece!, run)).toBe(false);
});
