import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { directDeps } from '../support/direct-backup.ts';
import { storePiece } from '../../src/activities/backup/piece-store.ts';
import type { DescribeDatabaseResult } from '../../src/contract/describe-database.ts';
import type { ListBackupsResult } from '../../src/contract/list-backups.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { type ErrorCode, errorRow } from '../../src/core/errors/error-table.ts';
import { hintOf, RstowError } from '../../src/core/errors/rstow-error.ts';
import { backupKey, manifestKey, ownerKey, timelineKey } from '../../src/core/repository/object-keys.ts';
import { sidecarKey } from '../../src/core/repository/coded-name.ts';
import { segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { createRepositoryOpener } from '../../src/worker/repositories.ts';
import {
  type BackupKeys,
  type Damage,
  type DamageScene,
  newestManifest,
  newestPiece,
  openDamageScene,
  pieceOf,
} from '../support/damage-scene.ts';
import { DATABASE } from '../support/database-stack.ts';
import { runProgram } from '../support/run-program.ts';

let on: DamageScene;

beforeAll(async () => {
  on = await openDamageScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
  expect(on.untouched.servers).toHaveLength(1);
});
afterEach(() => on.files.heal());
afterAll(() => on.close());

// First: what later ones find is remembered too.
it('lets no backup look well that failed a check, until a check as deep holds', async () => {
  const { temporal } = on.scene;
  const list = (): Promise<ListBackupsResult> => temporal.execute('listBackups', { database: DATABASE });
  const verify = (level: string): Promise<unknown> => temporal.execute('verifyBackup', { database: DATABASE, level });
  await verify('replay');
  expect((await list()).backups[0]?.verified).toMatchObject({ level: 'replay' });
  const damaged = newestPiece(on.keys);
  await on.files.flipBit(damaged);
  expect(await on.verify(on.keys.third, 'records')).toMatchObject({ code: 'damaged-object' });
  const failed = { code: 'damaged-object', sentence: expect.stringContaining(damaged) as string };
  const described = await temporal.execute<DescribeDatabaseResult>('describeDatabase', { database: DATABASE });
  expect(described).toMatchObject({ outcome: 'warnings', latest: { failed } });
  expect(described.warnings).toContainEqual({ code: 'damaged-object', message: expect.stringContaining(damaged) as string });
  await on.files.flipBit(damaged);
  await verify('checksums');
  expect(await list()).toMatchObject({ outcome: 'warnings', backups: [{ label: on.keys.third, failed }, {}, {}] });
  await verify('records');
  expect(await list()).toMatchObject({ outcome: 'done', warnings: [] });
});

/** What a restore never reads: it goes on, and gives the very same state. */
const besides: { what: string; damage: Damage; key: (of: BackupKeys) => string; code: ErrorCode }[] = [
  {
    what: 'a flipped bit in the kept machines',
    damage: (repository, of) => repository.flipBit(backupKey(DATABASE, of.third, 'machines.json.zst')),
    key: (of) => backupKey(DATABASE, of.third, 'machines.json.zst'),
    code: 'damaged-object',
  },
  {
    what: 'missing machines',
    damage: (repository, of) => repository.remove(backupKey(DATABASE, of.third, 'machines.json.zst')),
    key: (of) => backupKey(DATABASE, of.third, 'machines.json.zst'),
    code: 'missing-object',
  },
];

it.each(besides)('tells $what when it verifies, and restores without that object', async ({ damage, key, code }) => {
  await damage(on.files, on.keys);
  const failure = await on.verify(on.keys.third);
  expect(failure).toMatchObject({ code, details: { key: key(on.keys), alternative: on.keys.third } });
  expect(failure.sentence).toContain(`; a restore of ${on.keys.third} does not need it`);
  expect(await on.restoreElsewhere(on.keys.third)).toMatchObject({ outcome: 'done', stateDigest: on.digests[2] });
});

it('finds pieces that changed places together with their sidecars, whose signatures are of other names', async () => {
  const [, one, other] = on.keys.pieces;
  await on.files.swap(one, other);
  await on.files.swap(sidecarKey(pieceOf(one).key), sidecarKey(pieceOf(other).key));
  expect(await on.verify(on.keys.third, 'checksums')).toMatchObject({
    code: expect.stringMatching(/^(damaged|truncated)-object$/) as string,
    details: { key: one },
  });
});

it('makes a missing sidecar anew by reading its piece', async () => {
  await on.files.remove(sidecarKey(pieceOf(newestPiece(on.keys)).key));
  const verified = await on.scene.temporal.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE, backup: on.keys.third });
  expect(verified).toMatchObject({ outcome: 'done', stateDigest: on.digests[2] });
});

it('makes a sidecar with a flipped bit anew, says so, and puts the damaged one aside', async () => {
  const key = sidecarKey(pieceOf(newestPiece(on.keys)).key);
  await on.files.flipBit(key);
  const verified = await on.scene.temporal.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE, backup: on.keys.third });
  expect(verified).toMatchObject({ outcome: 'warnings', stateDigest: on.digests[2], warnings: [{ code: 'sidecar-remade' }] });
  expect(verified.warnings[0]?.message).toContain(key);
});

it('tells bytes behind a piece’s end, and restores the bytes before them', async () => {
  await on.files.append(newestPiece(on.keys), 'more');
  expect(await on.verify(on.keys.third)).toMatchObject({ code: 'damaged-object', details: { key: newestPiece(on.keys) } });
  expect(await on.restoreElsewhere(on.keys.third)).toMatchObject({ outcome: 'done', stateDigest: on.digests[2] });
});

it('skips backups that are damaged themselves when it proposes an older one', async () => {
  await on.files.remove(newestPiece(on.keys));
  await on.files.flipBit(manifestKey(DATABASE, on.keys.second));
  const failure = await on.verify(on.keys.third);
  expect(failure.details['alternative']).toBe(on.keys.first);
  expect(await on.restoreElsewhere(on.keys.first)).toMatchObject({ outcome: 'done', stateDigest: on.digests[0] });
});

it('proposes the other pieces that hold the same bytes, and restores from them once the damaged one is away', async () => {
  const damaged = newestPiece(on.keys);
  const { segment, endBytes: targetBytes } = pieceOf(damaged);
  const target = { store: await directDeps(on.scene.stack).openStore(DATABASE), timeline: '0001', runId: 'merge' };
  const path = join(on.scene.stack.walDir, segmentFileName(segment));
  const source = { path, startBytes: 0, targetBytes, tornTailMs: 0, signal: new AbortController().signal };
  // A piece that the backup doesn't name, over all of the segment.
  await storePiece(target, segment, source);
  await on.files.flipBit(damaged);
  for (const run of [on.verify, on.restore]) {
    const failure = await run(on.keys.third);
    expect(failure).toMatchObject({ code: 'damaged-object', details: { key: damaged, alternative: on.keys.third } });
    expect(failure.sentence).toContain(
      `; other pieces hold the same bytes; move it out of the repository, and ${on.keys.third} can be restored`,
    );
  }
  await on.expectUntouched();
  await on.files.remove(damaged);
  expect(await on.restoreElsewhere(on.keys.third)).toMatchObject({ outcome: 'done', stateDigest: on.digests[2] });
});

it.each([
  ['owner', ownerKey(DATABASE, 1)],
  ['timeline', timelineKey(DATABASE, '0001')],
])('restores nothing in place while the database’s %s can’t be read, and proposes no other backup', async (_, key) => {
  await on.files.flipBit(key, 'end');
  const failure = await on.restore(on.keys.third);
  expect(failure).toMatchObject({ code: 'damaged-object', details: { key } });
  expect(failure.details).not.toHaveProperty('alternative');
  await on.expectUntouched();
});

it.each(['verify', 'restore'] as const)('to %s a backup whose manifest is gone names those that are there', async (run) => {
  await on.files.remove(newestManifest(on.keys));
  const failure = await on[run](on.keys.third);
  expect(failure).toMatchObject({ code: 'backup-not-found', details: { candidates: [on.keys.second, on.keys.first] } });
});

describe('a repository whose header', () => {
  const headerKey = 'rstow-repository.json';
  const header = { format: 1, minReader: 1, minWriter: 1, features: [], id: '00000000-0000-4000-8000-000000000000' };

  const opening = async (): Promise<RstowError> => {
    try {
      await createRepositoryOpener(on.scene.stack.config)('local');
    } catch (error) {
      if (error instanceof RstowError) return error;
      throw error;
    }
    throw new Error('the repository was opened');
  };

  it.each<{ what: string; text: string; code: ErrorCode; says: RegExp }>([
    { what: 'is no JSON', text: '{', code: 'damaged-object', says: /rstow-repository\.json .* is not JSON/ },
    { what: 'lacks a field', text: JSON.stringify({ ...header, id: undefined }), code: 'damaged-object', says: /damaged at 'id'/ },
    {
      what: 'asks for a newer reader',
      text: JSON.stringify({ ...header, minReader: 2 }),
      code: 'format-unsupported',
      says: /takes format 2/,
    },
    {
      what: 'asks for a newer writer',
      text: JSON.stringify({ ...header, minWriter: 3 }),
      code: 'format-unsupported',
      says: /to write .* takes format 3/,
    },
    {
      what: 'is another repository’s',
      text: JSON.stringify(header),
      code: 'repository-unavailable',
      says: /the wrong disk may be mounted/,
    },
  ])('$what is not opened', async ({ text, code, says }) => {
    await on.files.replace(headerKey, text);
    const refusal = await opening();
    expect(refusal.code).toBe(code);
    expect(refusal.message).toMatch(says);
  });

  it('is gone is taken for a disk that is not mounted', async () => {
    await on.files.remove(headerKey);
    const refusal = await opening();
    expect(refusal.code).toBe('repository-unavailable');
    expect(refusal.message).toMatch(/is not mounted/);
  });
});

describe('the command line', () => {
  const cli = fileURLToPath(new URL('../../bin/rstow', import.meta.url));

  it.each<{ command: string; damage: Damage; key: (of: BackupKeys) => string; code: ErrorCode; ends: (of: BackupKeys) => string }>([
    {
      command: 'verify',
      damage: (repository, of) => repository.flipBit(newestPiece(of)),
      key: newestPiece,
      code: 'damaged-object',
      ends: (of) => `; backup ${of.second} does not need it and can be restored instead`,
    },
    {
      command: 'restore',
      damage: (repository, of) => repository.truncate(newestPiece(of), 0.9),
      key: newestPiece,
      code: 'truncated-object',
      ends: (of) => `; backup ${of.second} does not need it and can be restored instead`,
    },
    {
      command: 'restore',
      damage: (repository, of) => repository.reseal(newestManifest(of), (content) => ({ ...content, format: 2 })),
      key: newestManifest,
      code: 'format-unsupported',
      ends: () => 'has format 2; this rstow reads format 1',
    },
  ])('$command tells $code in one sentence with a hint, and ends with its exit code', async ({ command, damage, key, code, ends }) => {
    await damage(on.files, on.keys);
    const address = ['--address', on.scene.temporalAddress, '--namespace', on.scene.namespace];
    const { exitCode, stderr, stdout } = await runProgram(cli, [
      command,
      DATABASE,
      '--backup',
      on.keys.third,
      ...(command === 'restore' ? ['--yes'] : []),
      ...address,
    ]);
    const [error = '', hint] = stderr.trim().split('\n').slice(-2);
    expect(error.startsWith(`error: ${code}: ${key(on.keys)} `)).toBe(true);
    expect(error.endsWith(ends(on.keys))).toBe(true);
    expect(hint).toBe(`hint: ${hintOf(code, { database: DATABASE })}`);
    expect({ exitCode, stdout }).toEqual({ exitCode: errorRow(code).exitCode, stdout: '' });
    await on.expectUntouched();
  });
});
