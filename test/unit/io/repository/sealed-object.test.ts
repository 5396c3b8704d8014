import { positionKey } from '../../../../src/core/backup/label.ts';
import { storeIn } from '../../../support/store-in.ts';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { positionOf, readManifest, readPositions } from '../../../../src/store/manifests.ts';
import { manifestSchema } from '../../../../src/formats/repository/manifest.ts';
import { manifestKey } from '../../../../src/core/repository/object-keys.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { putSealed, readSealed, sealedBytes } from '../../../../src/io/repository/sealed-object.ts';
import { signingBy } from '../../../../src/io/signing/object-signature.ts';
import { newPrivateKeyText, signingKeyOf } from '../../../../src/io/signing/ssh-key.ts';
import { manifest } from '../../config/a-manifest.ts';

const key = manifestKey('orders', manifest.label);
const sealed = sealedBytes({}, key, { schema: manifestSchema, value: manifest });

async function holding(bytes: Uint8Array | string, at = key): Promise<Repository> {
  const repository = createMemoryRepository();
  await repository.put(at, Buffer.from(bytes));
  return repository;
}

/** Sealed soundly, whatever the content is. */
function sealOf(content: unknown): string {
  return JSON.stringify({ sha256: createHash('sha256').update(JSON.stringify(content)).digest('hex'), content });
}

it('reads back what was put, and nothing where nothing is', async () => {
  const repository = createMemoryRepository();
  expect(await readSealed(repository, key, manifestSchema)).toBeUndefined();
  expect(await putSealed(repository, key, { schema: manifestSchema, value: manifest })).toBe('stored');
  expect(await putSealed(repository, key, { schema: manifestSchema, value: { ...manifest, records: 7 } })).toBe('exists');
  expect(await readSealed(repository, key, manifestSchema)).toEqual(manifest);
});

it('never takes a manifest with a flipped bit for another one', async () => {
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const flipped = Uint8Array.from(sealed);
    flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7));
    const answer: unknown = await readSealed(await holding(flipped), key, manifestSchema).catch((error: unknown) => error);
    // White space between the values may change and still say the same.
    if (!(answer instanceof Error)) expect(answer).toEqual(manifest);
    else expect(answer).toMatchObject({ code: expect.stringMatching(/^(damaged|truncated)-object$/) as string, details: { key } });
  }
});

it('calls every beginning of a manifest truncated', async () => {
  for (let sizeBytes = 0; sizeBytes < sealed.length - 2; sizeBytes += 1) {
    await expect(readSealed(await holding(sealed.subarray(0, sizeBytes)), key, manifestSchema)).rejects.toMatchObject({
      code: 'truncated-object',
    });
  }
});

it.each([
  ['no JSON', 'not JSON', 'is not JSON'],
  ['a bare manifest', JSON.stringify(manifest), 'is not a sealed JSON object'],
  ['null', 'null', 'is not a sealed JSON object'],
  ['sealed content of another kind', sealOf({ format: 1, hello: true }), 'is not what belongs there'],
  ['nothing sealed', sealOf(null), 'is not what belongs there'],
])('refuses %s as damaged, naming it', async (_what, text, sentence) => {
  await expect(readSealed(await holding(text), key, manifestSchema)).rejects.toMatchObject({
    code: 'damaged-object',
    message: expect.stringContaining(`${key} ${sentence}`) as string,
  });
});

it('tells a newer format from damage', async () => {
  await expect(readSealed(await holding(sealOf({ format: 2, other: 'shape' })), key, manifestSchema)).rejects.toMatchObject({
    code: 'format-unsupported',
    message: `${key} has format 2; this rstow reads format 1`,
  });
});

it('tells a newer kind from damage', async () => {
  const content = { ...(JSON.parse(Buffer.from(sealed).toString()) as { content: object }).content, kind: 'of-tomorrow', pieces: [] };
  await expect(readSealed(await holding(sealOf(content)), key, manifestSchema)).rejects.toMatchObject({
    code: 'format-unsupported',
    message: expect.stringContaining(`${key} has at "kind" a value that this rstow does not know`) as string,
  });
});

it('tells a kind of a union that it does not know from damage', async () => {
  const schema = z.object({ action: z.discriminatedUnion('kind', [z.object({ kind: z.literal('swap'), inode: z.string() })]) });
  const readKind = async (action: object): Promise<unknown> => readSealed(await holding(sealOf({ action })), key, schema);
  expect(await readKind({ kind: 'swap', inode: '7' })).toEqual({ action: { kind: 'swap', inode: '7' } });
  await expect(readKind({ kind: 'stopped' })).rejects.toMatchObject({ code: 'format-unsupported' });
  await expect(readKind({ kind: 'swap' })).rejects.toMatchObject({ code: 'damaged-object' });
  await expect(readKind({})).rejects.toMatchObject({ code: 'damaged-object' });
});

it('stores nothing that is larger than what can be read again', async () => {
  const repository = createMemoryRepository();
  const warnings = [{ code: 'x', message: 'x'.repeat(64 * 1024 * 1024) }];
  await expect(putSealed(repository, key, { schema: manifestSchema, value: { ...manifest, warnings } })).rejects.toMatchObject({
    code: 'object-too-large',
  });
  expect(await repository.read(key, { sizeBytesMax: 1 })).toBeUndefined();
});

describe('a signed manifest', () => {
  const own = signingKeyOf(newPrivateKeyText(), 'own.key');
  const foreign = signingKeyOf(newPrivateKeyText(), 'foreign.key');
  const by = async (signing: Repository['signing']): Promise<Buffer> => {
    const repository: Repository = { ...createMemoryRepository(), signing };
    await putSealed(repository, key, { schema: manifestSchema, value: manifest });
    return Buffer.from((await repository.read(key, { sizeBytesMax: 1e6 })) ?? []);
  };
  const readWith = async (signing: Repository['signing'], bytes: Uint8Array, at = key): Promise<unknown> =>
    readSealed({ ...(await holding(bytes, at)), signing }, at, manifestSchema);

  it('is read by its writer, by whoever lists the key, and by whoever lists none', async () => {
    const bytes = await by(signingBy(own));
    for (const signing of [undefined, signingBy(own, []), signingBy(foreign, [own.publicLine]), signingBy(foreign)]) {
      expect(await readWith(signing, bytes)).toEqual(manifest);
    }
  });

  it.each([
    ['unsigned', sealed, 'bears no signature'],
    ['signed with a foreign key', undefined, `is signed by ${foreign.keyId}`],
  ])('is found %s', async (_what, bytes, sentence) => {
    const there = bytes ?? (await by(signingBy(foreign)));
    await expect(readWith(signingBy(own, []), there)).rejects.toMatchObject({
      code: 'untrusted-object',
      message: expect.stringContaining(`${key} ${sentence}`) as string,
      details: { key },
    });
    expect(await readWith(signingBy(own), there)).toEqual(manifest);
  });

  it.each([
    ['under another name', undefined, manifestKey('orders', 'another')],
    ['with another content, sealed soundly', { records: 7 }, key],
  ])('is found %s, also if no signers are listed', async (_what, changes, at) => {
    const { signature, content } = JSON.parse((await by(signingBy(own))).toString()) as { signature: object; content: object };
    const changed = { ...content, ...changes };
    const bytes = JSON.stringify({ signature, ...(JSON.parse(sealOf(changed)) as object) });
    for (const signing of [signingBy(own), signingBy(own, [])]) {
      await expect(readWith(signing, Buffer.from(bytes), at)).rejects.toMatchObject({
        code: 'untrusted-object',
        message: expect.stringContaining(`${at} bears the signature of something else`) as string,
      });
    }
  });
});

describe('a manifest in another one’s place', () => {
  it.each([
    ['another database', { database: 'stock', label: manifest.label }],
    ['another backup', { database: 'orders', label: '20261125T101500Z-hot' }],
  ])('is refused as %s’s', async (_what, { database, label }) => {
    const at = manifestKey(database, label);
    await expect(readManifest(await holding(sealed, at), database, label)).rejects.toMatchObject({
      code: 'damaged-object',
      message: `${at} belongs to database "orders", backup "20261124T101500Z-hot"`,
    });
  });

  it('is read in its own', async () => {
    expect(await readManifest(await holding(sealed), 'orders', manifest.label)).toEqual(manifest);
  });
});

it('lists a backup only once its manifest is there', async () => {
  const repository = await holding('{}', positionKey('orders', positionOf(manifest)));
  await (await storeIn(repository)).backups.claimLabel({ label: manifest.label, runId: manifest.runId });
  expect(await readPositions(repository, 'orders')).toEqual({ positions: [], unplaced: [] });
  await repository.put(key, sealed);
  expect(await readPositions(repository, 'orders')).toEqual({ positions: [positionOf(manifest)], unplaced: [] });
  await expect(readManifest(repository, 'orders', 'gone')).rejects.toMatchObject({ code: 'backup-not-found' });
});
