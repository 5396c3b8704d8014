import { expect, it } from 'vitest';
import type { PointInTimeRecoveryResult } from '../../../../src/contract/point-in-time-recovery.ts';
import type { RestoreResult } from '../../../../src/contract/restore.ts';
import { pointLines, restoreLines } from '../../../../src/cli/commands/restore.ts';

const LABEL = '20261124T101502Z-hot';

function linesOf(result: Partial<RestoreResult>): string[] {
  const extents = { segments: 1, sizeBytes: 0, endOffset: '1099511627776' } as unknown as RestoreResult['extents'];
  const done = { outcome: 'done', runId: 'run', database: 'orders', warnings: [], label: LABEL, extents, instances: 60, ...result };
  return restoreLines(done as RestoreResult);
}

function lineOf(name: string, result: Partial<RestoreResult>): string | undefined {
  return linesOf(result).find((line) => line.startsWith(name));
}

/** However it is wrapped. */
function textOf(result: Partial<RestoreResult>): string {
  return linesOf(result).join(' ').replaceAll(/\s+/g, ' ');
}

const replaces = { instances: 65, unsavedRecords: 8, lastWriteAtMs: 0 } as NonNullable<RestoreResult['replaces']>;

it('says of a plan that what no backup holds is stored first, and of a restore that it was', () => {
  expect(textOf({ replaces, dryRun: true })).toContain('the restore stores them first');
  expect(textOf({ replaces, savedAs: '20261124T103000Z-tail' })).toContain(': stored first');
  expect(textOf({ replaces })).not.toContain('first');
});

it('never calls a damaged log one of which everything is in a backup', () => {
  const fault = { code: 'source-damaged', sentence: 'byte 4945 is damaged' };
  const damaged = { ...replaces, instances: null, unsavedRecords: 0, fault } as unknown as NonNullable<RestoreResult['replaces']>;
  expect(lineOf('in no backup', { replaces: damaged })).toMatch(/nothing that can be read: source-damaged/);
  expect(lineOf('instances', { replaces: damaged })).toMatch(/unknown → 60$/);
  expect(lineOf('in no backup', { replaces: { ...replaces, unsavedRecords: 0 } })).toMatch(/ nothing$/);
});

it('names the repository in the command that undoes a restore, for it may be another than the primary', () => {
  const replaced = { replaces, repository: 'copy', runId: '3f2a91bc-8d1e-4a53-9d0f-1f6f6c2b7a10' };
  expect(textOf({ ...replaced, savedAs: 'B-tail' })).toContain('rstow undo orders --repository copy --restore 3f2a91bc-8d1e');
  expect(textOf({ ...replaced, replacedAt: '/data/.rstow/restores/3f2a91bc/replaced' })).toContain('rstow undo orders');
  expect(textOf({ ...replaced, savedAs: 'B-tail' })).not.toContain('3f2a91bc-8d1e-');
  expect(textOf(replaced)).not.toContain('rstow undo');
});

it('says of a point, right behind the backup, how far its log counts', () => {
  const extents = { segments: 1, sizeBytes: 0, endOffset: '1099511627776' } as unknown as RestoreResult['extents'];
  const point = { end: '1099511627776', sinceMs: 0, untilMs: 61_000 };
  const done = { outcome: 'done', runId: 'run', database: 'orders', warnings: [], label: LABEL, extents, instances: 60, point };
  expect(pointLines(done as unknown as PointInTimeRecoveryResult).slice(0, 3)).toEqual([
    `restored      ${LABEL}`,
    'up to         offset 1099511627776 of its log',
    'written       between 1970-01-01 00:00:00Z and 1970-01-01 00:01:01Z',
  ]);
});

it('says with which segment the log begins, and how much the server does not replay any more', () => {
  const baseline = { segment: '000000000000000c', replacedBytes: 3_000_000_000, writtenBeforeMs: 61_000 };
  expect(textOf({ baseline })).toMatch(/baseline segment 12: in the place of .* of log, written before 1970-01-01 00:01:01Z/);
  expect(textOf({ baseline: { ...baseline, sizeBytes: 2_000_000 } })).toMatch(/segment 12, .*: in the place of/);
  expect(textOf({})).not.toContain('baseline');
});
