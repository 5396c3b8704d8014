import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { storeAttachments, type StoredAttachments } from '../../../../src/activities/backup/attachments.ts';
import { backupKey } from '../../../../src/core/repository/object-keys.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../../support/database-stack.ts';
import { directDeps, directRun } from '../../../support/direct-backup.ts';

let stack: DatabaseStack;
let folder: string;
let configFile: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-attachments-'));
  configFile = join(folder, 'rstmdb.yaml');
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1', server: { configFiles: [configFile, '/etc/hostname'] } });
});
afterAll(async () => {
  await stack.remove();
  await rm(folder, { recursive: true, force: true });
});

const store = (label: string): Promise<StoredAttachments> =>
  directRun(directDeps(stack))(storeAttachments, { database: DATABASE, repository: 'local', label, withSnapshots: false });

it('promises what is stored, where an attempt that died had stored an earlier content', async () => {
  await writeFile(configFile, 'earlier');
  await store('retried');
  await writeFile(configFile, 'later, and longer');
  const { attachments } = await store('retried');
  const repository = await stack.openRepository();
  for (const { name, storedBytes, storedSha256 } of attachments) {
    const stored = await buffer((await repository.openRead(backupKey(DATABASE, 'retried', name)))!);
    expect({ storedBytes, storedSha256 }).toEqual({
      storedBytes: stored.length,
      storedSha256: createHash('sha256').update(stored).digest('hex'),
    });
  }
  expect(attachments.map(({ name }) => name)).toContain('server-config-1-rstmdb.yaml.zst');
});

it.each([
  ['is not there', async () => undefined, 'ENOENT'],
  ['is a folder', () => mkdir(configFile), 'it is not a file'],
])('backs up without a config file that %s, and warns of it', async (_what, make, why) => {
  await rm(configFile, { recursive: true, force: true });
  await make();
  const { attachments, warnings } = await store(`without-${why.length}`);
  expect(attachments.map(({ name }) => name)).toEqual(['machines.json.zst', 'server-config-2-hostname.zst']);
  expect(warnings).toEqual([
    { code: 'config-file-unread', message: expect.stringMatching(`${configFile} is not in this backup.*${why}`) as string },
  ]);
});
