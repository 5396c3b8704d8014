import fc from 'fast-check';
import { expect, it } from 'vitest';
import { historyFacts, timelineGraph } from '../../../src/cli/history-text.ts';
import { factLines } from '../../../src/cli/output.ts';
import type { DrawnTimeline } from '../../../src/core/recovery/recovery-window.ts';
import type { WalOffsetText } from '../../../src/core/wal/wal-offset.ts';

const NOW_MS = Date.UTC(2026, 10, 24, 12);
const HOUR_MS = 3_600_000;
const offset = (text: string): WalOffsetText => text as WalOffsetText;

/** The newest first: what each was begun from. */
function graph(...parents: [timeline: string, parent: string | undefined][]): string[] {
  const rows = timelineGraph(
    parents.map(([timeline, parent]) => ({ timeline, parent: parent === undefined ? null : { timeline: parent, at: offset('1') } })),
  );
  return rows.flatMap(([head, rest], at) => [`${head}${parents[at]![0]}`, rest].map((line) => line.trimEnd())).slice(0, -1);
}

it('draws a fork of a fork as one line down', () => {
  expect(graph(['3', '2'], ['2', '1'], ['1', undefined])).toEqual(['● 3', '│', '● 2', '│', '● 1']);
});

it('draws two restores to the same history as two columns that join', () => {
  expect(graph(['3', '1'], ['2', '1'], ['1', undefined])).toEqual(['●   3', '│', '│ ● 2', '│ │', '●─┘ 1']);
});

it('leads a column past what it has nothing to do with', () => {
  expect(graph(['5', '2'], ['4', '1'], ['3', '2'], ['2', '1'], ['1', undefined])).toEqual([
    '●     5',
    '│',
    '│ ●   4',
    '│ │',
    '│ │ ● 3',
    '│ │ │',
    '●─┼─┘ 2',
    '│ │',
    '●─┘   1',
  ]);
});

it('gives every timeline of any history one place, and keeps to the columns that it needs', () => {
  const histories = fc.array(fc.nat(), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(histories, (choices) => {
      const history = choices.map((choice, at) => ({
        timeline: String(at + 1),
        parent: at === 0 ? null : { timeline: String(1 + (choice % at)), at: offset('1') },
      }));
      const rows = timelineGraph(history.reverse());
      expect(rows.length).toBe(history.length);
      for (const [head] of rows) expect(head.split('●').length).toBe(2);
      expect(new Set(rows.flat().map(({ length }) => length)).size).toBe(1);
      // The first one is where all columns end.
      expect(rows.at(-1)![1].trim()).toBe('');
    }),
  );
});

const drawn = (timeline: string, more: Partial<DrawnTimeline> = {}): DrawnTimeline => ({
  timeline,
  parent: null,
  standing: 'inUse',
  end: offset('18446744073709551615'),
  backups: 35_040,
  writtenAtMs: NOW_MS - HOUR_MS,
  ...more,
});

const EMPTY = { window: null, history: [], timelines: 0, marks: 0, marked: [], copies: [], latest: null };

it('shows window, holes, timelines, marks and copies in 80 columns, at the largest offsets too', () => {
  const at = offset('18446742974197923840');
  const parent = { timeline: '0001', at };
  const facts = historyFacts(
    {
      ...EMPTY,
      window: {
        timeline: '0003',
        offsets: { from: offset('1099511627776'), to: at },
        times: { sinceMs: NOW_MS - 48 * HOUR_MS, untilMs: NOW_MS - HOUR_MS },
        holes: [{ from: at, to: at }],
        lost: { from: at, to: at },
        archive: { seenMs: NOW_MS - 2_000, stepMs: 1_010 },
      },
      history: [drawn('0003', { parent }), drawn('0002', { parent, standing: 'left', backups: 1 }), drawn('0001', { standing: 'before' })],
      timelines: 3,
      marks: 7,
      marked: [{ name: 'before-import', timeline: '0001', label: '20261124T101500Z-hot', atMs: NOW_MS - 2 * HOUR_MS }],
      copies: [
        { repository: 'local', newest: { label: '20261124T110000Z-hot', createdAtMs: NOW_MS - HOUR_MS, end: at } },
        { repository: 'tape', newest: null },
        { repository: 'away', failure: { code: 'repository-unavailable', sentence: 'folder /mnt/away is not there' } },
      ],
    },
    NOW_MS,
  );
  const lines = factLines(facts, 80);
  expect(lines.filter(({ length }) => length > 80)).toEqual([]);
  expect(lines).toEqual([
    'any point     offsets 1099511627776 to 18446742974197923840',
    '              times 2026-11-22 12:00:00Z to 2026-11-24 11:00:00Z (1 h ago)',
    'archived      looks 1.0 s apart; last new records 2026-11-24 11:59:58Z (2 s ago)',
    'missing       offsets 18446742974197923840 to 18446742974197923840',
    'out of reach  offsets 18446742974197923840 to 18446742974197923840: what is',
    '              missing would be needed first',
    'timelines     ●   0003  in use, to 18446744073709551615, 1 h ago',
    '              │         from 0001 at 18446742974197923840',
    '              │ ● 0002  left, to 18446744073709551615, 1 h ago',
    '              │ │       from 0001 at 18446742974197923840',
    '              ●─┘ 0001  to 18446744073709551615, 1 h ago',
    'marks         before-import: 20261124T101500Z-hot (2 h ago)',
    '              and 6 more',
    'copies        local: 20261124T110000Z-hot (1 h ago)',
    '              tape: no backup',
    '              away: repository-unavailable: folder /mnt/away is not there',
  ]);
});

it('draws the newest timelines only, and counts the others', () => {
  const history = Array.from({ length: 20 }, (_, at) => drawn(String(9020 - at), { backups: 0, writtenAtMs: null }));
  const lines = historyFacts({ ...EMPTY, history, timelines: 31 }, NOW_MS).map(([, line]) => line);
  expect(lines.length).toBe(7);
  expect(lines.at(0)).toContain('9020  in use, no backup yet');
  expect(lines.at(-1)).toBe('and 25 older');
});
