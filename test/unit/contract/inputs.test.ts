import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCheckDatabaseInput } from '../../../src/contract/check-database.ts';
import { parseDescribeDatabaseInput } from '../../../src/contract/describe-database.ts';
import { parseHotBackupInput } from '../../../src/contract/hot-backup.ts';
import { parseListBackupsInput } from '../../../src/contract/list-backups.ts';
import { parseRestoreInput } from '../../../src/contract/restore.ts';
import { parseTestRecoveryInput } from '../../../src/contract/test-recovery.ts';
import { parseUndoRestoreInput } from '../../../src/contract/undo-restore.ts';
import { parseVerifyBackupInput } from '../../../src/contract/verify-backup.ts';
import { RstowError } from '../../../src/core/errors/rstow-error.ts';

type Parser = (args: readonly unknown[]) => { database: string };

const parsers: [string, Parser, Record<string, unknown>][] = [
  ['hotBackup', parseHotBackupInput, { mark: 'before-release' }],
  ['verifyBackup', parseVerifyBackupInput, {}],
  ['restore', parseRestoreInput, { backup: 'latest' }],
  ['undoRestore', parseUndoRestoreInput, { restore: '3f2a91bc' }],
  ['listBackups', parseListBackupsInput, {}],
  ['describeDatabase', parseDescribeDatabaseInput, {}],
  ['checkDatabase', parseCheckDatabaseInput, {}],
  ['testRecovery', parseTestRecoveryInput, {}],
];

/** The sentence with which the input is refused. */
function refusal(parse: Parser, ...args: unknown[]): string {
  try {
    parse(args);
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid-input' });
    return (error as RstowError).message;
  }
  return 'not refused';
}

describe.each(parsers)('the input of %s', (type, parse, needed) => {
  const input = { database: 'orders', ...needed };

  it('is taken with every common field', () => {
    const full = { ...input, requestedBy: 'ann', reason: 'drill', repository: 'offsite' };
    expect(parse([full])).toEqual(full);
  });

  it('counts null as absent where a field is optional', () => {
    expect(parse([{ ...input, reason: null, repository: null }])).toEqual(input);
  });

  it.each([[[]], [[undefined]], [[null]], [[input, input]], [[input, undefined]]])('is refused as the arguments %j', (args) => {
    expect(refusal(parse, ...args)).toBe(`${type} takes one JSON object, such as {"database": "orders"}`);
  });

  it.each([
    ['a string', 'orders'],
    ['a number', 7],
    ['a boolean', true],
    ['an array', ['orders']],
  ])('is refused as %s', (what, value) => {
    expect(refusal(parse, value)).toBe(`the input must be a JSON object, not ${what}`);
  });

  it('is refused without a database', () => {
    expect(refusal(parse, { ...needed })).toBe('field "database" is missing');
    expect(refusal(parse, { ...input, database: null })).toBe('field "database" is missing');
  });

  it('is refused with a misspelt field, naming the one that was meant', () => {
    expect(refusal(parse, { ...input, requestdBy: 'ann' })).toBe('field "requestdBy" is unknown; did you mean "requestedBy"?');
    expect(refusal(parse, { ...input, zzzzzzzzzz: 1 })).toBe('field "zzzzzzzzzz" is unknown');
  });

  it('is refused with fields that only look like an object’s own', () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const json = JSON.stringify(input).replace('{', `{"${key}":1,`);
      expect(refusal(parse, JSON.parse(json))).toContain(`field "${key}" is unknown`);
    }
  });

  it.each(['', 'Orders', 'a b', '../x', 'a/b', 'é', 'x'.repeat(64), 'a\n'])('is refused with the database name %j', (database) => {
    expect(refusal(parse, { ...input, database })).toBe('field "database" must be 1 to 63 of a-z, 0-9 and -');
  });

  it('is refused beyond the limits of a text', () => {
    expect(parse([{ ...input, reason: 'x'.repeat(1000) }]).database).toBe('orders');
    expect(refusal(parse, { ...input, reason: 'x'.repeat(1001) })).toBe('field "reason" must have 1 to 1000 characters');
    expect(refusal(parse, { ...input, reason: '' })).toBe('field "reason" must have 1 to 1000 characters');
    expect(refusal(parse, { ...input, requestedBy: 7 })).toBe('field "requestedBy" must be a string, not a number');
  });

  it('is either taken or refused as invalid, whatever it is', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 3 }), (args) => {
        try {
          expect(parse(args).database).toMatch(/^[a-z0-9-]{1,63}$/);
        } catch (error) {
          expect(error).toBeInstanceOf(RstowError);
        }
      }),
    );
  });
});

describe('a restore’s target', () => {
  const input = { database: 'orders', backup: 'latest' };

  it('is taken with and without an agent', () => {
    for (const to of [{ dataDir: '/srv/new' }, { dataDir: '/srv/..new', agent: 'db2' }])
      expect(parseRestoreInput([{ ...input, to }]).to).toEqual(to);
  });

  it.each(['srv', './srv', '/srv/../etc', '/..', '/a\0b', '~/srv'])('is refused as %j', (dataDir) => {
    expect(refusal(parseRestoreInput, { ...input, to: { dataDir } })).toBe(
      'field "to.dataDir" must be an absolute path without ".." parts',
    );
  });

  it('is refused where it is too long, or no object, or misspelt, by its full name', () => {
    expect(refusal(parseRestoreInput, { ...input, to: { dataDir: `/${'x'.repeat(4096)}` } })).toContain(
      'field "to.dataDir" must have 1 to 4096',
    );
    expect(refusal(parseRestoreInput, { ...input, to: '/srv' })).toBe('field "to" must be a JSON object, not a string');
    expect(refusal(parseRestoreInput, { ...input, to: { datadir: '/srv' } })).toBe(
      'field "to.datadir" is unknown; did you mean "dataDir"?',
    );
  });

  it('asks for true or false where it means it', () => {
    expect(refusal(parseRestoreInput, { ...input, dryRun: 'yes' })).toBe('field "dryRun" must be true or false, not a string');
  });
});

describe('the assertions of a recovery test', () => {
  const parse = (instance: object) =>
    parseTestRecoveryInput([{ database: 'orders', assertions: { instances: [{ id: 'one', ...instance }] } }]);

  it('may want null at a place, which is not the same as anything', () => {
    const instance = { id: 'one', path: 'items[0].note', equals: null };
    expect(parse({ ...instance, state: null }).assertions).toEqual({ instances: [instance] });
  });

  it.each(['items[x]', 'items[0', '.', 'a..b', 'a.', '[]'])('are refused with the path %s', (path) => {
    expect(refusal(() => parse({ path }))).toBe('field "assertions.instances[0].path" must be a path such as items[0].sku');
  });

  it('are refused with a number that JSON has rounded, wherever it stands, and with a value that is nested too deep', () => {
    const field = 'field "assertions.instances[0].equals';
    const why = 'is a whole number beyond 2^53, which JSON rounds: write its digits as a string';
    expect(refusal(() => parse({ path: 'a', equals: 2 ** 53 }))).toBe(`${field}" ${why}`);
    expect(refusal(() => parse({ path: 'a', equals: { ids: [1, -(2 ** 60)] } }))).toBe(`${field}.ids.1" ${why}`);
    const deep = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000)) as unknown;
    expect(refusal(() => parse({ path: 'a', equals: deep }))).toContain('is nested more than 100 deep');
    const held = { id: 'one', path: 'a', equals: [2 ** 53 - 1, 1.5, 1e30, '9007199254740993'] };
    expect(parse(held).assertions).toEqual({ instances: [held] });
  });
});

it('names the choices of a verification, and the one that was meant', () => {
  expect(refusal(parseVerifyBackupInput, { database: 'orders', level: 'record' })).toBe(
    'field "level" must be one of checksums, records, replay; did you mean "records"?',
  );
  expect(refusal(parseVerifyBackupInput, { database: 'orders', level: 'everything' })).toBe(
    'field "level" must be one of checksums, records, replay',
  );
});

it.each([0, 201, 1.5, Number.NaN, -1])('refuses to list %d backups', (limit) => {
  expect(refusal(parseListBackupsInput, { database: 'orders', limit })).toBe('field "limit" must be a whole number from 1 to 200');
});

it('refuses a limit that is written as text', () => {
  expect(refusal(parseListBackupsInput, { database: 'orders', limit: '7' })).toBe('field "limit" must be a number, not a string');
});
