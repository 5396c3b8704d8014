import { describe, expect, it } from 'vitest';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { openRepository } from '../../../../src/io/repository/header.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';

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
