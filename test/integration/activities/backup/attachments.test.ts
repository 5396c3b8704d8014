import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { storeAttachments, type StoredAttachments } from '../../../../src/activities/backup/attachments.ts';
import { sidecarKey } from '../../../../src/core/repository/coded-name.ts';
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

const CONFIG_NAME = 'server-config-1-rstmdb.yaml';

const promised = ({ attachments }: StoredAttachments) => attachments.find(({ name }) => name === CONFIG_NAME)!;
const digestOf = (text: string) => ({
  name: CONFIG_NAME,
  sizeBytes: text.length,
  sha256: createHash('sha256').update(text).digest('hex'),
});

async function textOf(label: string, stored: StoredAttachments): Promise<string> {
  const { attachments } = await directDeps(stack).openStore(DATABASE);
  const { signal } = new AbortController();
  return text(Readable.from(attachments.read({ label, attachment: promised(stored), signal })));
}

it('promises what is stored, where an attempt that died had stored an earlier content', async () => {
  await writeFile(configFile, 'earlier');
  await store('retried');
  await writeFile(configFile, 'later, and longer');
  const stored = await store('retried');
  expect(promised(stored)).toEqual(digestOf('earlier'));
  expect(await textOf('retried', stored)).toBe('earlier');
});

it('puts aside what an attempt stored that died before its sidecar', async () => {
  await writeFile(configFile, 'earlier');
  await store('half');
  const repository = await stack.openRepository();
  await repository.deleteMany([sidecarKey(backupKey(DATABASE, 'half', `${CONFIG_NAME}.zst`))]);
  await writeFile(configFile, 'later, and longer');
  const stored = await store('half');
  expect(promised(stored)).toEqual(digestOf('later, and longer'));
  expect(await textOf('half', stored)).toBe('later, and longer');
  const { attachments } = await directDeps(stack).openStore(DATABASE);
  expect(await attachments.check({ label: 'half', attachment: promised(stored), signal: new AbortController().signal })).toBeGreaterThan(0);
});

it.each([
  ['is not there', async () => undefined, 'ENOENT'],
  ['is a folder', () => mkdir(configFile), 'it is not a file'],
])('backs up without a config file that %s, and warns of it', async (_what, make, why) => {
  await rm(configFile, { recursive: true, force: true });
  await make();
  const { attachments, warnings } = await store(`without-${why.length}`);
  expect(attachments.map(({ name }) => name)).toEqual(['machines.json', 'server-config-2-hostname']);
  expect(warnings).toEqual([
    { code: 'config-file-unread', message: expect.stringMatching(`${configFile} is not in this backup.*${why}`) as string },
  ]);
});
