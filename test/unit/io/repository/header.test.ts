import { describe, expect, it } from 'vitest';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { openRepository, raiseHeader } from '../../../../src/io/repository/header.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { collect } from '../../../suites/repository-under-test.ts';

const headerKey = 'rstow-repository.json';
const whole = { format: 1, minReader: 1, minWriter: 1, features: [], id: '6f9619ff-8b86-4d01-b42d-00cf4fc964ff' };

async function withHeader(header: unknown): Promise<Repository> {
  const repository = createMemoryRepository();
  await repository.put(headerKey, Buffer.from(typeof header === 'string' ? header : JSON.stringify(header)));
  return repository;
}

describe('repository header', () => {
  it('is made once, by the first of 20 that open with create', async () => {
    const repository = createMemoryRepository();
    const headers = await Promise.all(Array.from({ length: 20 }, () => openRepository(repository, 'create')));
    expect(new Set(headers.map(({ id }) => id)).size).toBe(1);
    expect(headers[0]).toMatchObject({ format: 1, minReader: 1, minWriter: 1, features: [] });
    expect(await openRepository(repository, 'read')).toEqual(headers[0]);
  });
  it.each(['read', 'write'] as const)('is not made by opening with %s: the disk may not be mounted', async (access) => {
    const repository = createMemoryRepository();
    await expect(openRepository(repository, access)).rejects.toMatchObject({ code: 'repository-unavailable' });
    expect(await repository.read(headerKey, { sizeBytesMax: 1000 })).toBeUndefined();
  });
  it('keeps fields that it does not know', async () => {
    const repository = await withHeader({ ...whole, format: 2, colour: 'blue' });
    expect(await openRepository(repository, 'create')).toMatchObject({ id: whole.id, colour: 'blue' });
    const bytes = await repository.read(headerKey, { sizeBytesMax: 1000 });
    expect(JSON.parse(Buffer.from(bytes ?? '').toString())).toEqual({ ...whole, format: 2, colour: 'blue' });
  });
  it('refuses a repository for later readers, whatever its other fields look like', async () => {
    const repository = await withHeader({ minReader: 2, minWriter: 2, shape: 'unknown' });
    for (const access of ['read', 'write', 'create'] as const) {
      await expect(openRepository(repository, access)).rejects.toMatchObject({ code: 'format-unsupported' });
    }
  });
  it('lets read, but not write, where only writers must be later', async () => {
    const repository = await withHeader({ ...whole, minWriter: 2 });
    expect(await openRepository(repository, 'read')).toMatchObject({ id: whole.id });
    await expect(openRepository(repository, 'write')).rejects.toMatchObject({ code: 'format-unsupported' });
    await expect(openRepository(repository, 'create')).rejects.toMatchObject({ code: 'format-unsupported' });
  });
  it.each([
    '',
    '{',
    '[]',
    'null',
    { ...whole, id: 'x' },
    { ...whole, minReader: '1' },
    { ...whole, format: 0 },
    `{"a":"${'x'.repeat(70_000)}"}`,
  ])('calls header %# damaged', async (header) => {
    await expect(openRepository(await withHeader(header), 'read')).rejects.toMatchObject({ code: 'damaged-object' });
  });
});

const raisedKey = 'rstow-repository-00000002.json';
const headersOf = (repository: Repository): Promise<string[]> => collect(repository.keys('rstow-repository'));

describe('a header that is raised', () => {
  it('says what it takes from then on, keeps all else, and leaves the one before as it was', async () => {
    const repository = await withHeader({ ...whole, colour: 'blue' });
    expect(await raiseHeader(repository, { features: ['ice'] })).toEqual({ ...whole, colour: 'blue', features: ['ice'] });
    expect(await headersOf(repository)).toEqual([raisedKey, headerKey]);
    await expect(openRepository(repository, 'read')).rejects.toMatchObject({
      code: 'format-unsupported',
      message: expect.stringContaining('uses the feature "ice"') as string,
    });
    const first = await repository.read(headerKey, { sizeBytesMax: 1000 });
    expect(JSON.parse(Buffer.from(first ?? '').toString())).toEqual({ ...whole, colour: 'blue' });
  });
  it('keeps writers out, and not readers, where only writers must be later', async () => {
    const repository = await withHeader(whole);
    await raiseHeader(repository, { minWriter: 2 });
    expect(await openRepository(repository, 'read')).toMatchObject({ id: whole.id, minReader: 1, minWriter: 2 });
    await expect(openRepository(repository, 'create')).rejects.toMatchObject({ code: 'format-unsupported' });
  });
  it('is raised once by 20 at the same time, and not again by who comes later', async () => {
    const repository = await withHeader(whole);
    const raised = await Promise.all(Array.from({ length: 20 }, () => raiseHeader(repository, { features: ['ice'] })));
    for (const header of raised) expect(header).toEqual({ ...whole, features: ['ice'] });
    await raiseHeader(repository, { minReader: 1, features: ['ice'] });
    expect(await headersOf(repository)).toEqual([raisedKey, headerKey]);
  });
  it('loses nothing of what two raise at the same time', async () => {
    const repository = await withHeader(whole);
    const known = ['ice', 'fire', 'air'];
    await Promise.all([raiseHeader(repository, { features: known }), raiseHeader(repository, { features: known.toReversed() })]);
    const { features } = await raiseHeader(repository, { features: known });
    expect(features.toSorted()).toEqual(known.toSorted());
  });
  it('is found by its name by who lost the race, though a listing is older', async () => {
    const repository = await withHeader(whole);
    await raiseHeader(repository, { features: ['ice'] });
    const stale: Repository = {
      ...repository,
      keys: async function* () {
        yield Promise.resolve(headerKey);
      },
    };
    expect(await raiseHeader(stale, { features: ['ice'] })).toEqual({ ...whole, features: ['ice'] });
    expect(await headersOf(repository)).toEqual([raisedKey, headerKey]);
  });
  it('is not raised by who does not know what another has raised meanwhile', async () => {
    const repository = await withHeader(whole);
    const meanwhile: Repository = {
      ...repository,
      put: async (key, bytes) => {
        if (key === raisedKey) await raiseHeader(repository, { features: ['fire'] });
        return repository.put(key, bytes);
      },
    };
    await expect(raiseHeader(meanwhile, { features: ['ice'] })).rejects.toMatchObject({ code: 'format-unsupported' });
    expect(await raiseHeader(repository, { features: ['fire'] })).toEqual({ ...whole, features: ['fire'] });
  });
  it('is what it was before where its raiser dies before the put, and raised where it dies after', async () => {
    const repository = await withHeader(whole);
    const dies = new Error('killed');
    const before: Repository = { ...repository, put: () => Promise.reject(dies) };
    await expect(raiseHeader(before, { minWriter: 2 })).rejects.toBe(dies);
    expect(await openRepository(repository, 'write')).toEqual(whole);
    const after: Repository = { ...repository, put: async (key, bytes) => repository.put(key, bytes).then(() => Promise.reject(dies)) };
    await expect(raiseHeader(after, { minWriter: 2 })).rejects.toBe(dies);
    await expect(openRepository(repository, 'write')).rejects.toMatchObject({ code: 'format-unsupported' });
  });
  it('passes over files of other names beside it', async () => {
    const repository = await withHeader(whole);
    for (const key of ['rstow-repository-2.json', 'rstow-repository-00000002.json.part', 'rstow-repository.old/00000003.json'])
      await repository.put(key, Buffer.from('{}'));
    expect(await openRepository(repository, 'create')).toEqual(whole);
  });
});
