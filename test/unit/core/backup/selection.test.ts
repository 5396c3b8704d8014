import { expect, it } from 'vitest';
import { selectBackup } from '../../../../src/core/backup/selection.ts';

const inUse = (label: string) => ({ label, isInUse: true });
const abandoned = (label: string) => ({ label, isInUse: false });

/** By the history: the clock was ahead when the second one was made. */
const backups = [
  inUse('20261124T101500Z-hot'),
  inUse('20261125T101500Z-hot'),
  inUse('20261122T101500Z-hot'),
  abandoned('20261124T101500Z-hot-2'),
];

it.each([
  ['latest', '20261124T101500Z-hot'],
  ['20261122', '20261122T101500Z-hot'],
  ['20261124T101500Z-hot-2', '20261124T101500Z-hot-2'],
])('takes %s for %s', (wanted, label) => {
  expect(selectBackup(backups, wanted)).toBe(label);
});

it('takes a whole label for itself, though it also begins another one', () => {
  expect(selectBackup(backups, '20261124T101500Z-hot')).toBe('20261124T101500Z-hot');
});

it('refuses a beginning of several backups, naming them', () => {
  expect(() => selectBackup(backups, '20261124')).toThrow(
    '"20261124" is the beginning of 2 backups; the newest are 20261124T101500Z-hot, 20261124T101500Z-hot-2',
  );
});

it('refuses an unknown name in a sentence that names the newest five that there are', () => {
  const many = Array.from({ length: 9 }, (_, day) => inUse(`2026110${9 - day}T101500Z-hot`));
  const newest = many.slice(0, 5).map(({ label }) => label);
  expect(() => selectBackup(many, '2020')).toThrow(
    expect.objectContaining({
      code: 'backup-not-found',
      message: `no backup is called "2020"; the newest are ${newest.join(', ')}`,
      details: { candidates: newest },
    }),
  );
});

it.each(['latest', '2026', ''])('finds no backup called "%s" where there is none', (wanted) => {
  expect(() => selectBackup([], wanted)).toThrow(expect.objectContaining({ code: 'backup-not-found' }));
});

it('takes none of an abandoned history for the latest, and names them', () => {
  expect(() => selectBackup([abandoned('a')], 'latest')).toThrow('the newest of abandoned histories are a');
  expect(selectBackup([abandoned('a')], 'a')).toBe('a');
});
