import { expect, it } from 'vitest';
import { diffPoint } from '../../../../src/cli/commands/diff.ts';
import { countsAs, type RecoveryTarget, targetText } from '../../../../src/core/recovery/target.ts';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';

it.each<[RecoveryTarget, string]>([
  [{ latest: true }, 'at the end of what is stored'],
  [{ offset: '1099511628000' }, 'offset 1099511628000'],
  [{ sequence: 0 }, 'behind record 0'],
  [{ time: '2026-11-24T10:15:00Z' }, 'at 2026-11-24T10:15:00Z'],
  [{ name: 'before-import' }, 'at the mark "before-import"'],
  [{ before: { instance: '17' } }, 'just before the last record of instance "17"'],
  [{ after: { instance: '17', record: 'create' } }, 'just after the last creation of instance "17"'],
  [{ before: { instance: '17', record: 'delete', occurrence: 2 } }, 'just before number 2 of the deletions of instance "17"'],
  [{ after: { instance: '17', event: 'PAY', occurrence: 1 } }, 'just after number 1 of the events "PAY" of instance "17"'],
])('says in a sentence what %j means', (target, text) => {
  expect(targetText(target)).toBe(text);
});

it('counts every kind of record where none is asked for', () => {
  expect(countsAs(undefined, 'delete_instance')).toBe(true);
  expect(countsAs('event', 'apply_event')).toBe(true);
  expect(countsAs('event', 'create_instance')).toBe(false);
});

it.each([
  ['now', { kind: 'now' }],
  ['latest', { kind: 'point', target: { latest: true } }],
  ['20261124T101500Z-hot', { kind: 'backup', label: '20261124T101500Z-hot' }],
  ['offset:1099511628000', { kind: 'point', target: { offset: '1099511628000' } }],
  ['sequence:7', { kind: 'point', target: { sequence: 7 } }],
  ['time:2026-11-24T10:15:00Z', { kind: 'point', target: { time: '2026-11-24T10:15:00Z' } }],
  ['name:before-import', { kind: 'point', target: { name: 'before-import' } }],
  ['before:order:17', { kind: 'point', target: { before: { instance: 'order:17' } } }],
])('reads the point %s of a command line', (text, point) => {
  expect(diffPoint(text)).toEqual(point);
});

it.each([
  ['sequence:seven', /^the point "sequence:seven" must be /],
  ['time:2026-02-30T10:15:00Z', /^the point "time:2026-02-30T10:15:00Z" must be a time with its zone/],
  ['time:yesterday', /^the point "time:yesterday" must be a time with its zone/],
  ['offset:', /^"offset:" is no point: it must be now /],
  ['pint:3', /^"pint:3" is no point: it must be now /],
  ['latest:true', /^"latest:true" is no point/],
])('refuses the point %s in one sentence', (text, sentence) => {
  const refused = (): unknown => {
    try {
      return diffPoint(text);
    } catch (error) {
      return error;
    }
  };
  expect(refused()).toBeInstanceOf(RstowError);
  expect(refused()).toMatchObject({ code: 'invalid-input', message: expect.stringMatching(sentence) as string });
});
