/** Which states a recovery may try, where a database has its repository and a copy that is behind, ahead, or damaged. */
import { cp, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Candidates, findCandidates } from '../../../../src/activities/recovery/recovery-candidates.ts';
import type { Manifest } from '../../../../src/formats/repository/manifest.ts';
import { makeWalOffset } from '../../../../src/core/wal/wal-offset.ts';
import { manifestKey } from '../../../../src/core/repository/object-keys.ts';
import { pieceKey } from '../../../../src/core/repository/piece.ts';
import { archiveLog } from '../../../support/archive-log.ts';
import { storeIn } from '../../../support/store-in.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../../support/database-stack.ts';
import { backUp, directDeps, extentsOf } from '../../../support/direct-backup.ts';
import { startLoadWriters } from '../../../support/load-writers.ts';
import { keepRepositoryFiles, type RepositoryFiles } from '../../../support/repository-files.ts';

let stack: DatabaseStack;
/** In both repositories; in both; in the copy alone. */
let [first, second, third]: Manifest[] = [];
let local: RepositoryFiles;
let copy: RepositoryFiles;

beforeAll(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1', hasCopy: true });
  first = await backUpMore('first');
  second = await backUpMore('second');
  await cp(stack.repositoryDir, stack.copyDir, { recursive: true });
  third = await backUpMore('third', 'copy');
  local = await keepRepositoryFiles(stack.repositoryDir, join(stack.folder, 'kept-local'));
  copy = await keepRepositoryFiles(stack.copyDir, join(stack.folder, 'kept-copy'));
});

afterEach(() => Promise.all([local.heal(), copy.heal()]));

afterAll(() => stack.remove());

async function writeMore(prefix: string): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 1, prefix });
  await load.acknowledgedAtLeast(20);
  await load.stop();
}

async function backUpMore(prefix: string, repository = 'local'): Promise<Manifest> {
  await writeMore(prefix);
  return backUp(stack, { repository, isUncopied: true });
}

const candidates = (wanted: { repository?: string } = {}): Promise<Candidates> =>
  findCandidates(directDeps(stack))({ database: DATABASE, ...wanted });

const triedOf = ({ usable }: Candidates): string[] => usable.map(({ label, repository }) => `${label} in ${repository}`);
const inBoth = ({ label }: Manifest): string[] => [`${label} in local`, `${label} in copy`];
const manifestOf = ({ label }: Manifest): string => manifestKey(DATABASE, label);
function newestPieceOf({ segments }: Manifest): string {
  const { segment, ranges } = segments.at(-1)!;
  const range = ranges.at(-1)!;
  return pieceKey(DATABASE, range.timeline, { segment, ...range, suffix: '.zst' });
}

it('tries the newest first, wherever it is, and of two copies of one the primary’s', async () => {
  const found = await candidates();
  expect(triedOf(found)).toEqual([`${third!.label} in copy`, ...inBoth(second!), ...inBoth(first!)]);
  expect(found.skipped).toEqual([]);
  const { label, records, createdAtMs } = third!;
  expect(found.newest).toMatchObject({ label, repository: 'copy', records, createdAtMs });
  expect(found.newest?.extents.sizeBytes).toBe(Object.values(extentsOf(third!)).reduce((sum, endBytes) => sum + endBytes));
});

it('tries before all backups what an archive holds beyond them, unless an older state is wanted', async () => {
  const store = await directDeps(stack).openStore(DATABASE, 'local');
  const from = new Map(third!.segments.map(({ segment, ranges }) => [segment, ranges.at(-1)!.endBytes]));
  const before = new Map(second!.segments.map(({ segment, ranges }) => [segment, ranges.at(-1)!.endBytes]));
  await archiveLog(store, { timeline: '0001', walDir: stack.walDir, from: before })();
  // It has just what the newest backup in the copy has.
  expect(triedOf(await candidates()).slice(0, 2)).toEqual([`${third!.label} in copy`, `${second!.label} in local`]);
  await writeMore('fourth');
  const [piece] = await archiveLog(store, { timeline: '0001', walDir: stack.walDir, from })();
  const { usable, newest } = await candidates();
  const end = String(makeWalOffset(piece!.segment, piece!.endBytes));
  expect(usable[0]).toMatchObject({ label: second!.label, repository: 'local', archivedTimeline: '0001', extents: { end } });
  expect(newest).toEqual(usable[0]);
  expect(usable.slice(1).map(({ archivedTimeline }) => archivedTimeline)).toEqual(usable.slice(1).map(() => undefined));
  const older = await findCandidates(directDeps(stack))({ database: DATABASE, target: second!.label });
  expect(older.usable.map(({ archivedTimeline }) => archivedTimeline)).toEqual([undefined, undefined, undefined, undefined]);
});

it('looks nowhere else where a repository is named', async () => {
  const found = await candidates({ repository: 'local' });
  expect(triedOf(found)).toEqual([`${second!.label} in local`, `${first!.label} in local`]);
  expect(found.newest?.label).toBe(second!.label);
});

it.each([
  ['manifest is damaged', () => local.flipBit(manifestOf(second!)), 'damaged-object'],
  ['manifest is another backup’s', () => local.copy(manifestOf(first!), manifestOf(second!)), 'untrusted-object'],
  ['newest piece is missing', () => local.remove(newestPieceOf(second!)), 'missing-object'],
])('tries a backup in the copy where the primary’s %s', async (_what, damage, code) => {
  await damage();
  const found = await candidates();
  expect(triedOf(found)).toEqual([`${third!.label} in copy`, `${second!.label} in copy`, ...inBoth(first!)]);
  expect(found.skipped).toMatchObject([{ label: second!.label, repository: 'local', code }]);
});

it('skips a backup without the whole log, and counts what it promised', async () => {
  await copy.reseal(manifestOf(third!), (manifest) => ({ ...manifest, restorable: 'no' }));
  const found = await candidates();
  expect(triedOf(found)[0]).toBe(`${second!.label} in local`);
  expect(found.skipped).toMatchObject([{ label: third!.label, repository: 'copy', code: 'wal-gap' }]);
  expect(found.newest).toMatchObject({ label: third!.label, records: third!.records });
});

it('tries what one repository has while the other is away, and names the one that is', async () => {
  await rename(stack.copyDir, `${stack.copyDir}-away`);
  try {
    const found = await candidates();
    expect(triedOf(found)).toEqual([`${second!.label} in local`, `${first!.label} in local`]);
    expect(found.skipped).toMatchObject([{ label: '*', repository: 'copy', code: 'repository-unavailable' }]);
  } finally {
    await rename(`${stack.copyDir}-away`, stack.copyDir);
  }
});

it('fails with each one’s reason where none is left', async () => {
  const oldest = newestPieceOf(first!);
  await Promise.all([local.remove(oldest), copy.remove(oldest)]);
  await copy.flipBit(manifestOf(second!));
  const failure = await candidates().then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ code: 'backup-not-found' });
  const { reasons } = (failure as { details: { reasons: string[] } }).details;
  const stated = (where: string, why: string): unknown => expect.stringMatching(new RegExp(`^${where}: .*${why}`));
  expect(reasons).toEqual([
    stated(`${third!.label} in copy`, oldest),
    stated(`${second!.label} in local`, oldest),
    stated(`${second!.label} in copy`, manifestOf(second!)),
    stated(`${first!.label} in local`, oldest),
    stated(`${first!.label} in copy`, oldest),
  ]);
});

it('tries twenty at most', async () => {
  const { backups } = await storeIn(await stack.openRepository());
  const labels = Array.from({ length: 25 }, (_none, index) => `20990101T0000${10 + index}Z-hot`);
  for (const label of labels) await backups.put({ ...second!, label, runId: label });
  const found = await candidates();
  const sameLog = labels.reverse().map((label) => `${label} in local`);
  expect(triedOf(found)).toEqual([`${third!.label} in copy`, ...sameLog.slice(0, 19)]);
});
