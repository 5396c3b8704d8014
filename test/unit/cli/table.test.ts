import fc from 'fast-check';
import { expect, test } from 'vitest';
import { factLines, tableLines } from '../../../src/cli/output.ts';
import { wholeText, wrapped } from '../../../src/core/text/wrapped.ts';

const COLUMNS = 80;
const REASON = 'repository-unavailable: the folder is not mounted, and nothing has been heard from its host since yesterday evening';
const word = fc.stringMatching(/^[a-z0-9.:]{1,12}$/);
const sentence = fc.array(word, { minLength: 1, maxLength: 60 }).map((words) => words.join(' '));

test('sets figures to the right and names to the left, with no blanks at the end of a line', () => {
  const rows = [
    ['a', '1.0 kB'],
    ['long-label', '12.0 MB'],
  ];
  expect(tableLines(['LABEL', 'LOG'], rows)).toEqual(['LABEL       LOG', 'a            1.0 kB', 'long-label  12.0 MB']);
  const facts = [
    ['to', 'here'],
    ['backup', 'x'],
  ] as const;
  expect(factLines(facts)).toEqual(['to      here', 'backup  x']);
});

test('keeps every line of facts and of a table within the columns, and loses no word', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(word, sentence), { minLength: 1, maxLength: 5 }), (rows) => {
      for (const lines of [factLines(rows, COLUMNS), tableLines(['NAME', 'WHY'], rows, COLUMNS).slice(1)]) {
        expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(COLUMNS);
        expect(wordsOf(lines.join(' '))).toEqual(wordsOf(rows.flat().join(' ')));
      }
    }),
  );
});

test('continues below the value’s own beginning', () => {
  expect(factLines([['failed', REASON]], 60)).toEqual([
    'failed  repository-unavailable: the folder is not mounted,',
    '        and nothing has been heard from its host since',
    '        yesterday evening',
  ]);
});

test('begins the lines of a value below each other', () => {
  expect(factLines([['not asked', 'rstow.yaml has 2 faults:\n  line 1: one\n  line 2: two']])).toEqual([
    'not asked  rstow.yaml has 2 faults:',
    '             line 1: one',
    '             line 2: two',
  ]);
});

test('sets columns closer only if all of them fit into a line so', () => {
  const [head, row] = [
    ['LABEL', 'VERIFIED', 'COPIES'],
    ['20261130T031731Z-hot', 'checksums', '2/2'],
  ];
  expect(tableLines(head, [row], 39)[1]).toBe('20261130T031731Z-hot  checksums  2/2');
  expect(tableLines(head, [row], 38)).toEqual(['LABEL                VERIFIED  COPIES', '20261130T031731Z-hot checksums 2/2']);
  expect(tableLines(head, [row], 36)[2]).toBe('20261130T031731Z-hot  checksums  2/2');
});

test('puts a last column below its row if the others leave it no room', () => {
  const [, row, below] = tableLines(['LABEL', 'WHY'], [['a'.repeat(50), REASON]], 60);
  expect([row, below]).toEqual(['a'.repeat(50), '  repository-unavailable: the folder is not mounted, and']);
});

test('breaks a sentence between words only, so that a long path can be copied', () => {
  const path = `/srv/${'deep/'.repeat(20)}wal`;
  expect(wrapped(`no space left on ${path} here`, 40, '  ')).toEqual(['no space left on', `  ${path}`, '  here']);
  fc.assert(
    fc.property(sentence, fc.integer({ min: 20, max: 100 }), (text, columns) => {
      expect(wrapped(text, columns).join(' ')).toBe(text);
    }),
  );
});

test('keeps a command on one line, so that it can be copied', () => {
  const command = '`rstow cancel rstow/orders/restore/6e1035d6`';
  expect(wrapped(`Wait for it to end, or end it with ${command}. Then go on.`, 60, '  ')).toEqual([
    'Wait for it to end, or end it with',
    `  ${command}. Then go on.`,
  ]);
  const approval = `\`rstow approve rstow/orders/restore/6e1035d6 --plan ${'f'.repeat(64)}\``;
  expect(wrapped(`an operator’s signed ${approval} of this plan`, 60, '  ')).toEqual([
    'an operator’s signed',
    `  ${approval}`,
    '  of this plan',
  ]);
  const undo = 'rstow restore orders --repository local --backup 20261129T141039Z-tail';
  const [, line = ''] = factLines(
    [
      ['replaced data', 'none'],
      ['to undo', wholeText(undo)],
    ],
    COLUMNS,
  );
  expect(wrapped(line, COLUMNS, '  ')).toEqual(['to undo', `  ${undo}`]);
});

test('takes an id of nothing but digits for a name, and no figure', () => {
  const rows = [
    ['55290227', '7'],
    ['01a227a3-c08f', '3,546'],
  ];
  expect(tableLines(['RUN', 'INSTANCES'], rows, COLUMNS)).toEqual([
    'RUN            INSTANCES',
    '55290227               7',
    '01a227a3-c08f      3,546',
  ]);
});

function wordsOf(text: string): string[] {
  return text.split(/ +/).filter((part) => part !== '');
}
