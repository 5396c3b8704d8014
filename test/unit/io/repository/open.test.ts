import { expect, test } from 'vitest';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { createOpener, type Opening } from '../../../../src/io/repository/open.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { faulty } from '../../../../src/io/repository/wrap/faulty.ts';
import { signingBy } from '../../../../src/io/signing/object-signature.ts';
import { newPrivateKeyText, signingKeyOf } from '../../../../src/io/signing/ssh-key.ts';
import { collect } from '../../../suites/repository-under-test.ts';

function openingOf(repository: Repository, options: Partial<Opening> = {}): Opening {
  let id: string | undefined;
  const { description, properties } = repository;
  return {
    backend: { description, properties, open: async () => Promise.resolve(repository) },
    answerMs: 60_000,
    check: async () => Promise.resolve(),
    knownId: { read: async () => Promise.resolve(id), keep: async (kept) => Promise.resolve(void (id = kept)) },
    onForeign: () => undefined,
    ...options,
  };
}

test('a repository whose calls fail in passing is used with retries, another one is not', async () => {
  let calls = 0;
  const chance = (): number => (calls += 1) % 2;
  const badLine = faulty(createMemoryRepository(), { failing: 0.5, chance });
  let failures = 0;
  const counted: Repository = {
    ...badLine,
    put: (key, bytes) =>
      badLine.put(key, bytes).catch((error: unknown) => {
        failures += 1;
        throw error;
      }),
  };
  const repository = await createOpener(openingOf(counted))();
  for (const key of ['a', 'b', 'c']) expect(await repository.put(key, Buffer.from(key))).toBe('stored');
  expect(await collect(repository.keys(''))).toEqual(['a', 'b', 'c', 'rstow-repository.json']);
  expect(failures).toBeGreaterThan(0);

  const down = faulty(createMemoryRepository(), { failing: 1 });
  const sure: Repository = { ...down, properties: { ...down.properties, failsInPassing: false } };
  await expect(createOpener(openingOf(sure, { answerMs: 50 }))()).rejects.toMatchObject({
    code: 'repository-unavailable',
    message: expect.stringContaining('is made to fail') as string,
  });
});

test('what signs its objects is made once, and kept by whatever wraps the repository', async () => {
  const signing = signingBy(signingKeyOf(newPrivateKeyText(), 'own.key'));
  let made = 0;
  const open = createOpener(
    openingOf(faulty(createMemoryRepository(), {}), {
      signing: async () => {
        made += 1;
        return Promise.resolve(signing);
      },
    }),
  );
  expect((await open()).signing).toBe(signing);
  const again = await open();
  expect(again.signing).toBe(signing);
  expect(faulty(again, {}).signing).toBe(signing);
  expect(made).toBe(1);
});

test('a repository in which a put may overwrite is refused before anything is written there', async () => {
  const memory = createMemoryRepository();
  const overwriting: Repository = { ...memory, properties: { ...memory.properties, conditionalPut: false } };
  await expect(createOpener(openingOf(overwriting))()).rejects.toMatchObject({
    code: 'repository-unsupported',
    message: expect.stringContaining('two agents would overwrite') as string,
  });
  expect(await collect(memory.keys(''))).toEqual([]);
});

test('as many calls as its backend is good for are made at once', async () => {
  const memory = createMemoryRepository();
  let running = 0;
  let most = 0;
  const counted: Repository = {
    ...memory,
    properties: { ...memory.properties, connections: 3 },
    put: async (key, bytes) => {
      most = Math.max(most, (running += 1));
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      return memory.put(key, bytes);
    },
  };
  const repository = await createOpener(openingOf(counted))();
  await Promise.all(Array.from({ length: 12 }, (_, index) => repository.put(`a/${index}`, new Uint8Array())));
  expect(most).toBe(3);
});
