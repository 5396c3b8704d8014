import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { ExportBackupResult } from '../../src/contract/export-backup.ts';
import type { ImportBackupResult } from '../../src/contract/import-backup.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf } from './failures.ts';
import { IMPORTED, LABEL } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const input = { database: DATABASE, file: '/backup/rstmdb/20260921-134640.tar.gz' };

it('imports an archive without the database’s lock, clears what it has read, and reads the backup back', async () => {
  const result = await agent.execute<ImportBackupResult>('importBackup', input);
  expect(result).toMatchObject({ outcome: 'done', kind: 'import', label: IMPORTED.label, takenFrom: 'folder-name', file: input.file });
  expect(verbsOf(agent)).toEqual(['readArchive', 'storeArchive', 'clearImport', 'verifyStoredBackup', 'recordVerification']);
});

it('finds that the same log is imported already, and does not read it back again', async () => {
  agent.verbs.storeArchive = async () => ({ ...IMPORTED, isThere: true });
  expect(await agent.execute<ImportBackupResult>('importBackup', input)).toMatchObject({ outcome: 'not-needed', label: IMPORTED.label });
  expect(verbsOf(agent)).toEqual(['readArchive', 'storeArchive', 'clearImport']);
});

it('says why an archive is refused, and clears what it has read', async () => {
  agent.verbs.readArchive = async () => Promise.reject(new RstowError('archive-hollow', 'it lacks segments 1 to 3'));
  expect(await failureOf(agent.execute('importBackup', input))).toMatchObject({ type: 'archive-hollow' });
  expect(verbsOf(agent)).toEqual(['readArchive', 'clearImport']);
});

it('wants an absolute path', async () => {
  const failure = await failureOf(agent.execute('importBackup', { ...input, file: 'backup.tar.gz' }));
  expect(failure.message).toBe('invalid-input: field "file" must be an absolute path without ".." parts');
});

it('exports a backup, and clears what is left beside the file whatever came of it', async () => {
  const wanted = { database: DATABASE, backup: 'latest', file: '/backup/rstmdb/out.tar.gz' };
  const result = await agent.execute<ExportBackupResult>('exportBackup', wanted);
  expect(result).toMatchObject({ outcome: 'done', label: LABEL, sha256: 'ba'.repeat(32), file: wanted.file });
  expect(verbsOf(agent)).toEqual(['chooseBackup', 'exportArchive', 'clearExport']);
  agent.reset();
  agent.verbs.exportArchive = async () => Promise.reject(new RstowError('file-exists', 'it is there'));
  expect(await failureOf(agent.execute('exportBackup', wanted))).toMatchObject({ type: 'file-exists' });
  expect(verbsOf(agent)).toEqual(['chooseBackup', 'exportArchive', 'clearExport']);
});
