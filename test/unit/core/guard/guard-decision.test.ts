import { describe, expect, it } from 'vitest';
import { decideGuard, type GuardServer, type GuardSight } from '../../../../src/core/guard/guard-decision.ts';
import type { SegmentId } from '../../../../src/core/wal/wal-offset.ts';

const ids = (...segments: number[]): SegmentId[] => segments as SegmentId[];
const files = (...segments: number[]) => ids(...segments).map((segment) => ({ segment, inode: `i${segment}` }));
const STARTED_AT_MS = 1_000_000;

type Sight = {
  wal: number[];
  pins: number[];
  lost?: number[];
  linked?: number[];
  /** When every pin was changed last. */ changedAtMs?: number;
  server: GuardSight['server'];
};

const decide = ({ wal, pins, lost = [], linked = [], changedAtMs = 0, server }: Sight) =>
  decideGuard({
    wal: files(...wal),
    pins: files(...pins).map((pin) => ({ ...pin, changedAtMs })),
    lost: new Set(ids(...lost)),
    linked: new Set(ids(...linked)),
    server,
  });

const known: GuardServer = { isKnown: true, startedAtMs: undefined, holds: new Set() };
const started = (...holds: number[]): GuardServer => ({ isKnown: false, startedAtMs: STARTED_AT_MS, holds: new Set(ids(...holds)) });

const NOTHING = { kind: 'act', pin: [], linkBack: [], takeOut: [], lost: [], deletedAtEnd: [] };

describe('under a server whose start is known', () => {
  it('does nothing if nothing has changed', () => {
    expect(decide({ wal: [1, 2, 3], pins: [1, 2, 3], server: known })).toEqual({ ...NOTHING, isJudged: true });
  });

  it('pins what is new', () => {
    expect(decide({ wal: [1, 2, 3], pins: [1], server: known })).toMatchObject({ pin: [2, 3], linkBack: [] });
  });

  it('links back what compaction has deleted below the newest segment', () => {
    expect(decide({ wal: [3, 4], pins: [1, 2, 3], server: known })).toMatchObject({ pin: [4], linkBack: [1, 2] });
  });

  it('links back though every pinned segment was deleted, as long as it is the same server', () => {
    const server: GuardServer = { ...known, holds: new Set(ids(4)) };
    expect(decide({ wal: [4], pins: [1, 2, 3], server })).toMatchObject({ pin: [4], linkBack: [1, 2, 3] });
  });

  it('links nothing back at the end of the log, where the server writes', () => {
    expect(decide({ wal: [1, 2], pins: [1, 2, 3], server: known })).toMatchObject({ linkBack: [], deletedAtEnd: [3] });
    expect(decide({ wal: [], pins: [1, 2], server: known })).toMatchObject({ linkBack: [], deletedAtEnd: [1, 2] });
  });

  it('never links back what is lost', () => {
    expect(decide({ wal: [3, 4], pins: [1, 2, 3, 4], lost: [1], server: known })).toMatchObject({ linkBack: [2], lost: [1] });
  });
});

describe('while no server runs', () => {
  it('links back, for the next start', () => {
    expect(decide({ wal: [3], pins: [1, 2, 3], server: 'down' })).toMatchObject({ linkBack: [1, 2], lost: [] });
  });

  it('leaves out what an earlier server has started without', () => {
    expect(decide({ wal: [3], pins: [1, 2, 3], lost: [1, 2], server: 'down' })).toMatchObject({ linkBack: [], lost: [1, 2] });
  });
});

describe('under a server that it sees for the first time', () => {
  const pins = [1, 2, 3, 4];

  it('takes its start for whole if it has all segments open', () => {
    expect(decide({ wal: pins, pins, server: started(...pins) })).toEqual({ ...NOTHING, isJudged: true });
  });

  it('finds what it has started without: deleted before its start, and not open', () => {
    const sight = { wal: [3, 4], pins, server: started(3, 4), changedAtMs: STARTED_AT_MS - 1 };
    expect(decide(sight)).toMatchObject({ linkBack: [], lost: [1, 2], isJudged: true });
  });

  it('counts as before its start what was deleted so soon after that the clocks can’t order it', () => {
    const sight = { wal: [3, 4], pins, server: started(3, 4), changedAtMs: STARTED_AT_MS + 200 };
    expect(decide(sight)).toMatchObject({ linkBack: [], lost: [1, 2] });
  });

  it('links back what it has deleted itself, after its start', () => {
    const sight = { wal: [3, 4], pins, server: started(3, 4), changedAtMs: STARTED_AT_MS + 60_000 };
    expect(decide(sight)).toMatchObject({ linkBack: [1, 2], lost: [], isJudged: true });
  });

  it('trusts no order of a clock that was set', () => {
    const server: GuardServer = { ...started(3, 4), startedAtMs: undefined };
    expect(decide({ wal: [3, 4], pins, server, changedAtMs: STARTED_AT_MS + 60_000 })).toMatchObject({ linkBack: [], lost: [1, 2] });
  });

  it('waits while it still opens its log', () => {
    const sight = { wal: [3, 4], pins, server: started(3), changedAtMs: 0 };
    expect(decide(sight)).toEqual({ ...NOTHING, isJudged: false });
  });

  it('takes out again what was linked back a moment too late', () => {
    const sight = { wal: pins, pins, linked: [1, 2], server: started(3, 4), changedAtMs: STARTED_AT_MS + 1 };
    expect(decide(sight)).toMatchObject({ takeOut: [1, 2], lost: [1, 2], linkBack: [] });
  });

  it('takes nothing out that it has read', () => {
    expect(decide({ wal: pins, pins, linked: [1, 2], server: started(...pins) })).toMatchObject({ takeOut: [], lost: [] });
  });

  it('finds again what was lost and lies in its log now', () => {
    expect(decide({ wal: pins, pins, lost: [1, 2], server: started(...pins) })).toMatchObject({ lost: [] });
  });
});

describe('hands off', () => {
  it.each<GuardSight['server']>([known, 'down', 'unseen', started(1, 2)])('if a segment is another file than its pin', (server) => {
    const wal = [{ segment: 1 as SegmentId, inode: 'other' }, ...files(2)];
    const pins = files(1, 2).map((pin) => ({ ...pin, changedAtMs: 0 }));
    expect(decideGuard({ wal, pins, lost: new Set(), linked: new Set(), server })).toEqual({ kind: 'replaced', segment: 1 });
  });

  it.each<GuardSight['server']>([known, 'down', 'unseen', started(7)])(
    'if none of the pinned segments is in wal/, and no server that is known works on what is',
    (server) => {
      expect(decide({ wal: [7], pins: [1, 2], server })).toEqual({ kind: 'replaced', segment: undefined });
    },
  );

  it('of the log of a server that can’t be seen: it only pins', () => {
    expect(decide({ wal: [3, 4], pins: [1, 2, 3], server: 'unseen' })).toMatchObject({ pin: [4], linkBack: [], lost: [], isJudged: false });
  });
});
