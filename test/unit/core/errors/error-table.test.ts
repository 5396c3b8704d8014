import { expect, it } from 'vitest';
import { type ErrorCode, errorRow, errorTable, isErrorCode } from '../../../../src/core/errors/error-table.ts';

const codes = Object.keys(errorTable) as ErrorCode[];

it.each(codes)('gives %s an exit code and a whole sentence as its hint', (code) => {
  const { exitCode, hint } = errorRow(code);
  expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
  expect([1, 2, 10, 11, 12, 13, 14, 15, 16, 17]).toContain(exitCode);
  expect(hint).toMatch(/^.{10,}\.$/);
});

/** Scripts branch on them. */
it.each([
  ['invalid-input', 2],
  ['invalid-config', 2],
  ['backup-not-found', 10],
  ['unknown-database', 10],
  ['busy', 11],
  ['digest-different', 13],
  ['damaged-object', 13],
  ['missing-object', 13],
  ['truncated-object', 13],
  ['source-damaged', 13],
  ['repository-unsupported', 14],
  ['data-directory-unsupported', 14],
  ['timeline-diverged', 14],
  ['data-directory-replaced', 14],
  ['owner-outdated', 14],
  ['not-enough-space', 14],
  ['port-taken', 14],
  ['wal-gap', 15],
  ['agent-unreachable', 17],
  ['temporal-unreachable', 17],
  ['repository-unavailable', 17],
  ['failed', 1],
  ['bug', 1],
] as const)('ends a shell command that fails with %s by exit code %i', (code, exitCode) => {
  expect(errorRow(code).exitCode).toBe(exitCode);
});

it('never tries again what is wrong in the request, in the bytes or in the place', () => {
  const retried = codes.filter((code) => errorRow(code).retryable).map((code) => errorRow(code).exitCode);
  for (const exitCode of retried) expect([1, 17]).toContain(exitCode);
});

it('knows its own codes and no inherited names', () => {
  expect(codes.every(isErrorCode)).toBe(true);
  for (const text of ['', 'constructor', 'toString', '__proto__', 'Busy']) expect(isErrorCode(text)).toBe(false);
});
