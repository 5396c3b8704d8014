import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import type { OutdatedObject } from '../../../src/core/repository/stored-forms.ts';
import { sidecarKey } from '../../../src/core/repository/coded-name.ts';
import { sha256Hex } from '../../../src/io/checksum/checksum.ts';
import type { Coding } from '../../../src/io/coding/port.ts';
import { zstdCoding } from '../../../src/io/coding/zstd.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { attachmentsOf } from '../../../src/store/attachments.ts';
import { type Renewed, type Rotation, rotationOf } from '../../../src/store/rotation.ts';
import { encodedBytes, plainBytes } from '../../../src/store/stored-object.ts';
import { ageKeys } from './age-keys.ts';

const DATABASE = 'orders';
const LABEL = '20261130T010000Z-hot';
const run = { runId: 'rotation', signal: new AbortController().signal };

const piece = (serial: number): string => `databases/orders/wal/0001/0000000000000001/000000000${serial}-000000000${serial + 1}.wal`;
const ATTACHMENT = `databases/orders/backups/${LABEL}/machines.json`;
const TRASH = `trash/old-run/${piece(7)}`;
const FOREIGN = 'databases/others/wal/0001/0000000000000001/0000000000-0000000001.wal';

const rotationIn = (repository: Repository, coding: Coding): Rotation => rotationOf({ repository, database: DATABASE, coding });

async function put(repository: Repository, stem: string, coding: Coding): Promise<void> {
  await repository.put(`${stem}${coding.suffix}`, await encodedBytes(coding, [Buffer.from(stem)]));
}

/** An attachment with its sidecar, a piece and an object in the trash without, and one of another database. */
async function fill(repository: Repository, coding: Coding): Promise<void> {
  const of = { label: LABEL, name: 'machines.json', runId: 'backup', signal: run.signal };
  await attachmentsOf({ repository, database: DATABASE, coding }).put(of, Readable.from([Buffer.from(ATTACHMENT)]));
  for (const stem of [piece(1), TRASH, FOREIGN]) await put(repository, stem, coding);
}

async function outdated(rotation: Rotation): Promise<OutdatedObject[]> {
  const found: OutdatedObject[] = [];
  for await (const object of rotation.outdated()) found.push(object);
  return found;
}

async function renewAll(rotation: Rotation): Promise<Renewed[]> {
  const { objects } = await rotation.batch({ objectsMax: 100 });
  const renewed: Renewed[] = [];
  for (const object of objects) renewed.push((await rotation.renew(object, run))!);
  return renewed;
}

async function keysOf(repository: Repository): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of repository.keys('')) keys.push(key);
  return keys;
}

async function opened(repository: Repository, coding: Coding, key: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of plainBytes({ repository, coding, key, signal: run.signal })) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

it('gives every object of the database a new form that the new keys alone open, deletes the old one later, and leaves other databases alone', async () => {
  const { older, rotating, newer } = await ageKeys();
  const repository = createMemoryRepository();
  await fill(repository, older);
  const rotation = rotationIn(repository, rotating);
  const renewed = await renewAll(rotation);
  expect((await keysOf(repository)).filter((key) => key.endsWith(older.suffix))).toHaveLength(4);
  await rotation.retire(renewed, run.signal);
  expect(await outdated(rotation)).toEqual([]);
  const [machines, sidecar] = [`${ATTACHMENT}${newer.suffix}`, sidecarKey(`${ATTACHMENT}${newer.suffix}`)];
  expect(await keysOf(repository)).toEqual([
    machines,
    sidecar,
    `${piece(1)}${newer.suffix}`,
    `${FOREIGN}${older.suffix}`,
    `${TRASH}${newer.suffix}`,
  ]);
  for (const stem of [ATTACHMENT, piece(1), TRASH]) expect(await opened(repository, newer, `${stem}${newer.suffix}`)).toBe(stem);
  const attachments = attachmentsOf({ repository, database: DATABASE, coding: newer });
  const attachment = { name: 'machines.json', sizeBytes: ATTACHMENT.length, sha256: sha256Hex(Buffer.from(ATTACHMENT)) };
  expect(await attachments.check({ label: LABEL, attachment, signal: run.signal })).toBeGreaterThan(0);
});

it('encrypts what was plain, and makes plain what was encrypted', async () => {
  const { older, opening } = await ageKeys();
  const repository = createMemoryRepository();
  await fill(repository, zstdCoding);
  for (const coding of [older, opening]) {
    const rotation = rotationIn(repository, coding);
    await rotation.retire(await renewAll(rotation), run.signal);
    expect(await outdated(rotation)).toEqual([]);
    expect(await opened(repository, coding, `${piece(1)}${coding.suffix}`)).toBe(piece(1));
  }
});

it('gives in batches whole objects, with all of their forms, in the order of their keys', async () => {
  const { older, newer } = await ageKeys();
  const repository = createMemoryRepository();
  for (let serial = 1; serial <= 5; serial += 1) for (const coding of [zstdCoding, older]) await put(repository, piece(serial), coding);
  const rotation = rotationIn(repository, newer);
  const keys: string[][] = [];
  let after: string | undefined;
  do {
    const { objects, next } = await rotation.batch({ after, objectsMax: 3 });
    keys.push(objects.map(({ key }) => key));
    after = next;
  } while (after !== undefined);
  expect(keys.map(({ length }) => length)).toEqual([4, 4, 2]);
  expect(keys.flat()).toEqual((await keysOf(repository)).sort());
});

it('reads back what a killed step has stored, and stores anew what can’t be read of it', async () => {
  const { older, rotating, newer } = await ageKeys();
  const repository = createMemoryRepository();
  for (const serial of [1, 2]) await put(repository, piece(serial), older);
  await put(repository, piece(1), newer);
  await repository.put(`${piece(2)}${newer.suffix}`, Buffer.from('cut off'));
  const rotation = rotationIn(repository, rotating);
  expect((await outdated(rotation)).map(({ isRenewed }) => isRenewed)).toEqual([true, true]);
  await rotation.retire(await renewAll(rotation), run.signal);
  for (const serial of [1, 2]) expect(await opened(repository, newer, `${piece(serial)}${newer.suffix}`)).toBe(piece(serial));
  expect(await keysOf(repository)).toContain(`trash/rotation/${piece(2)}${newer.suffix}`);
});

it('deletes nothing whose new form is gone, was exchanged, or lacks its sidecar', async () => {
  const { older, rotating, newer } = await ageKeys();
  const repository = createMemoryRepository();
  await fill(repository, older);
  for (const serial of [2, 3]) await put(repository, piece(serial), older);
  const rotation = rotationIn(repository, rotating);
  const renewed = await renewAll(rotation);
  await repository.deleteMany([`${piece(2)}${newer.suffix}`, `${piece(3)}${newer.suffix}`, sidecarKey(`${ATTACHMENT}${newer.suffix}`)]);
  await repository.put(`${piece(3)}${newer.suffix}`, Buffer.from('something else'));
  await rotation.retire(renewed, run.signal);
  const left = (await outdated(rotation)).map(({ key }) => key);
  expect(left).toEqual([ATTACHMENT, piece(2), piece(3)].map((stem) => `${stem}${older.suffix}`));
});

it('deletes the sidecar of an object whose deletion was cut off', async () => {
  const { older, rotating } = await ageKeys();
  const repository = createMemoryRepository();
  await fill(repository, older);
  const rotation = rotationIn(repository, rotating);
  const renewed = await renewAll(rotation);
  await repository.deleteMany(renewed.map(({ key }) => key));
  expect(await outdated(rotation)).toMatchObject([{ key: `${ATTACHMENT}${older.suffix}`, isGone: true }]);
  await rotation.retire(await renewAll(rotation), run.signal);
  expect(await outdated(rotation)).toEqual([]);
});

it('puts a new form aside as often as it can’t be read: readers would take it, and not the old one', async () => {
  const { older, rotating, newer } = await ageKeys();
  const repository = createMemoryRepository();
  await fill(repository, older);
  const rotation = rotationIn(repository, rotating);
  const renewedKey = `${piece(1)}${newer.suffix}`;
  await renewAll(rotation);
  for (const trial of ['one', 'two', 'three']) {
    await repository.deleteMany([renewedKey]);
    await repository.put(renewedKey, Buffer.from(`damaged, ${trial}`));
    await renewAll(rotation);
    expect(await opened(repository, newer, renewedKey)).toBe(piece(1));
  }
  expect((await keysOf(repository)).filter((key) => key.endsWith(renewedKey) && key !== renewedKey)).toHaveLength(3);
});

it('renews nothing that is damaged, or is not what its sidecar says', async () => {
  const { older, rotating } = await ageKeys();
  const repository = createMemoryRepository();
  await fill(repository, older);
  await repository.deleteMany([`${ATTACHMENT}${older.suffix}`]);
  await repository.put(`${ATTACHMENT}${older.suffix}`, await encodedBytes(older, [Buffer.from('something else')]));
  await repository.put(`${piece(5)}${older.suffix}`, (await encodedBytes(older, [Buffer.from('cut off')])).subarray(0, -5));
  const rotation = rotationIn(repository, rotating);
  const { objects } = await rotation.batch({ objectsMax: 100 });
  const outcomes = await Promise.allSettled(objects.map((object) => rotation.renew(object, run)));
  const codes = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [(outcome.reason as { code: string }).code] : []));
  expect(codes).toEqual(['damaged-object', 'damaged-object']);
});

it('passes over what somebody else has deleted meanwhile', async () => {
  const { older, rotating } = await ageKeys();
  const repository = createMemoryRepository();
  await put(repository, piece(1), older);
  const rotation = rotationIn(repository, rotating);
  const [object] = await outdated(rotation);
  await repository.deleteMany([object!.key]);
  expect(await rotation.renew(object!, run)).toBeUndefined();
});

it('says that a key is missing before anything is written', async () => {
  const { older, newer, blind } = await ageKeys();
  const repository = createMemoryRepository();
  await put(repository, piece(1), older);
  const [object] = await outdated(rotationIn(repository, newer));
  await expect(rotationIn(repository, newer).requireKeysOf(object!.key)).rejects.toMatchObject({ code: 'wrong-key' });
  await expect(rotationIn(repository, blind).requireOwnKeys()).rejects.toMatchObject({ code: 'wrong-key' });
  await rotationIn(repository, newer).requireOwnKeys();
});

it('removes the key sets that no database uses any more', async () => {
  const { older, newer } = await ageKeys();
  const repository = createMemoryRepository();
  await put(repository, FOREIGN, older);
  const setOf = ({ suffix }: Coding): string => suffix.split('.')[2]!;
  for (const name of [setOf(older), setOf(newer), '0badc0de']) await repository.put(`keys/${name}.json`, Buffer.from('{}'));
  expect(await rotationIn(repository, newer).removeKeySets(run.signal)).toEqual(['0badc0de']);
  await repository.deleteMany([`${FOREIGN}${older.suffix}`]);
  expect(await rotationIn(repository, newer).removeKeySets(run.signal)).toEqual([setOf(older)]);
  expect(await keysOf(repository)).toEqual([`keys/${setOf(newer)}.json`]);
});
