import { expect, it } from 'vitest';
import { selectBackup } from '../../../../src/core/backup/selection.ts';

const labels = ['20261122T101500Z-hot', '20261123T101500Z-hot', '20261124T101500Z-hot', '20261124T101500Z-hot-2'];

it.each([
  ['latest', '20261124T101500Z-hot-2'],
  ['20261123', '20261123T101500Z-hot'],
  ['20261122T101500Z-hot', '20261122T101500Z-hot'],
])('takes %s for %s', (wanted, label) => {
  expect(selectBackup(labels, wanted)).toBe(label);
});

it('takes a whole label for itself, though it also begins another one', () => {
  expect(selectBackup(labels, '20261124T101500Z-hot')).toBe('20261124T101500Z-hot');
});

it('refuses a beginning of several backups, naming them', () => {
  expect(() => selectBackup(labels, '20261124')).toThrow(
    '"20261124" is the beginning of 2 backups; choose from 20261124T101500Z-hot, 20261124T101500Z-hot-2',
  );
});

it('refuses an unknown name, naming the newest five that there are', () => {
  const many = Array.from({ length: 9 }, (_, day) => `2026110${day + 1}T101500Z-hot`);
  expect(() => selectBackup(many, '2027')).toThrow(
    expect.objectContaining({ code: 'backup-not-found', details: { candidates: many.slice(-5) } }),
  );
});

it.each(['latest', '2026', ''])('finds no backup called "%s" where there is none', (wanted) => {
  expect(() => selectBackup([], wanted)).toThrow(expect.objectContaining({ code: 'backup-not-found' }));
});
