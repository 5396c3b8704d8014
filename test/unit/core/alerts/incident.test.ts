import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  afterEvent,
  afterLook,
  type Change,
  type EventSource,
  type Found,
  type Incident,
  type Look,
} from '../../../../src/core/alerts/incident.ts';

const MINUTE_MS = 60_000;

const critical: Found = { severity: 'critical', code: 'backup-too-old', sentence: 'it is too old', hint: 'rstow backup orders' };
const warning: Found = { ...critical, severity: 'warning' };

/** Looks a minute apart; undefined where the repository couldn't be asked. */
function changesOf(looks: readonly (readonly Found[] | undefined)[], repeatMs = 0): Change[][] {
  let open: Incident[] = [];
  return looks.map((repository, index) => {
    const look: Look = { database: 'orders', nowMs: (index + 1) * MINUTE_MS, found: { repository }, repeatMs };
    const { incidents, changes } = afterLook(open, look);
    open = incidents;
    return changes;
  });
}

const kindsOf = (changes: Change[][]): string[] => changes.map((of) => of.map(({ kind }) => kind).join());

it('says what is wrong once, and that it is over after two looks that found nothing', () => {
  expect(kindsOf(changesOf([[], [critical], [critical], [], [critical], [], [], []]))).toEqual(['', 'new', '', '', '', '', 'resolved', '']);
});

it('calls nothing over that can’t be asked', () => {
  expect(kindsOf(changesOf([[critical], undefined, undefined, undefined, [], []]))).toEqual(['new', '', '', '', '', 'resolved']);
});

it('says what can’t be asked only if the next look can’t ask it either', () => {
  const unknown: Found = { severity: 'unknown', code: 'repository-unknown', sentence: 'away' };
  expect(kindsOf(changesOf([[unknown], [], [unknown], [unknown], [], []]))).toEqual(['', '', '', 'new', '', 'resolved']);
});

it('says again what lasts, as often as it is told to', () => {
  expect(kindsOf(changesOf([[critical], [critical], [critical], [critical]], 2 * MINUTE_MS))).toEqual(['new', '', 'still', '']);
});

it('says that a warning has become critical', () => {
  expect(kindsOf(changesOf([[warning], [critical], [critical], [warning]]))).toEqual(['new', 'worse', '', '']);
});

it('puts what is critical before what is a warning, in one notice', () => {
  const others: Found[] = [{ ...warning, code: 'test-due' }, critical, { severity: 'ok', code: 'archive', sentence: 'well' }];
  expect(changesOf([others])[0]?.map(({ code }) => code)).toEqual(['backup-too-old', 'test-due']);
});

it('says an event at the next look, and that it is over when nobody has said it again in its time', () => {
  expect(kindsOfEvent('event')).toEqual(['new', '', '', 'resolved', '']);
});

it('says what only happens once, and never that it is over', () => {
  expect(kindsOfEvent('once')).toEqual(['new', '', '', '', '']);
});

it('says what only happens once, also where what lasts is said again within the hour', () => {
  expect(kindsOfEvent('event', MINUTE_MS)).toEqual(['new', 'still', '', 'resolved', '']);
  expect(kindsOfEvent('once', MINUTE_MS)).toEqual(['new', '', '', '', '']);
});

function kindsOfEvent(source: EventSource, repeatMs = 0): string[] {
  const event = { source, database: 'orders', code: 'said', subject: '', severity: 'critical', sentence: 'so it is', sinceMs: 0 } as const;
  let open = afterEvent(afterEvent([], { ...event, untilMs: MINUTE_MS }), { ...event, untilMs: 3 * MINUTE_MS });
  return [1, 2, 3, 4, 5].map((minute) => {
    const looked = afterLook(open, { database: 'orders', nowMs: minute * MINUTE_MS, found: {}, repeatMs });
    open = looked.incidents;
    return looked.changes.map(({ kind }) => kind).join();
  });
}

const finding = fc.record({
  severity: fc.constantFrom('ok' as const, 'warning' as const, 'unknown' as const, 'critical' as const),
  code: fc.constantFrom('one', 'two', 'three'),
  sentence: fc.constant('said'),
});

it('never has two notices open for one incident, and resolves each of them exactly once', () => {
  const looks = fc.array(fc.option(fc.array(finding, { maxLength: 4 }), { nil: undefined }), { maxLength: 40 });
  fc.assert(
    fc.property(looks, (found) => {
      const quiet = [[], []];
      const open = new Set<string>();
      for (const { kind, code } of changesOf([...found, ...quiet]).flat()) {
        expect(open.has(code)).toBe(kind !== 'new');
        if (kind === 'new') open.add(code);
        if (kind === 'resolved') open.delete(code);
      }
      expect([...open]).toEqual([]);
    }),
  );
});
