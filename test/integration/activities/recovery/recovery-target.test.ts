/** What a disaster recovery may try where a person says up to which backup. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Candidates, findCandidates } from '../../../../src/activities/recovery/recovery-candidates.ts';
import type { Manifest } from '../../../../src/formats/repository/manifest.ts';
import { manifestKey } from '../../../../src/core/repository/object-keys.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../../support/database-stack.ts';
import { backUp, directDeps } from '../../../support/direct-backup.ts';
import { startLoadWriters } from '../../../support/load-writers.ts';

let stack: DatabaseStack;
let backups: Manifest[];

beforeEach(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1' });
  backups = [];
  for (const prefix of ['first', 'second', 'third']) {
    const load = await startLoadWriters({ address: stack.address, writers: 1, prefix });
    await load.acknowledgedAtLeast(20);
    await load.stop();
    backups.push(await backUp(stack));
  }
});

afterEach(() => stack.remove());

const candidates = async (target?: string): Promise<Candidates> =>
  findCandidates(directDeps(stack))({ database: DATABASE, ...(target === undefined ? {} : { target }) });
const labelsOf = ({ usable }: Candidates): string[] => usable.map(({ label }) => label);

it('tries the target and what is older, and counts what newer backups promise', async () => {
  const [first, second, third] = backups.map(({ label }) => label);
  expect(labelsOf(await candidates())).toEqual([third, second, first]);
  expect(labelsOf(await candidates('latest'))).toEqual([third, second, first]);
  const found = await candidates(second);
  expect(labelsOf(found)).toEqual([second, first]);
  expect(found).toMatchObject({ skipped: [], newest: { label: third, records: backups[2]?.records } });
});

it('names no newer backup among what it skipped, damaged or not', async () => {
  const [first, , third] = backups.map(({ label }) => label);
  await writeFile(join(stack.repositoryDir, manifestKey(DATABASE, third!)), 'not a manifest');
  const found = await candidates(first);
  expect(labelsOf(found)).toEqual([first]);
  expect(found).toMatchObject({ skipped: [], newest: { label: backups[1]?.label } });
});

it('refuses a target that is no backup’s label, and a beginning that several share', async () => {
  await expect(candidates('19990101T000000Z-hot')).rejects.toMatchObject({
    code: 'backup-not-found',
    message: expect.stringContaining(backups[2]!.label) as string,
  });
  await expect(candidates('20')).rejects.toMatchObject({
    code: 'backup-not-found',
    message: expect.stringContaining('3 backups') as string,
  });
});
