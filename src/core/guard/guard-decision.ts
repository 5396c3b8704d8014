import type { SegmentId } from '../wal/wal-offset.ts';

/** A segment's file, in `wal/` or as a pin: its inode tells it from a look-alike. */
export type GuardFile = { segment: SegmentId; inode: string };

export type GuardPin = GuardFile & {
  /** Unix ms, of its last new or deleted name among others: it was deleted from `wal/` then or before. */ changedAtMs: number;
};

/** The process that works on the log. */
export type GuardServer = {
  /** Whether what this very process has started from was judged already. */
  isKnown: boolean;
  /** Unix ms; undefined if the clock can't be trusted: it was set since. */
  startedAtMs: number | undefined;
  /** A server has every segment open that it has started from or made, until it compacts it. It opens them in order. Empty for a known one, unless `wal/` has no pinned segment. */
  holds: ReadonlySet<SegmentId>;
};

/** All that the guard knows at one moment. */
export type GuardSight = {
  wal: readonly GuardFile[];
  pins: readonly GuardPin[];
  /** Segments that a server has started without: what they hold is no part of what it shows. */
  lost: ReadonlySet<SegmentId>;
  /** Segments that were linked back once. */
  linked: ReadonlySet<SegmentId>;
  /** `unseen`: one answers, but its process can't be looked at. */
  server: GuardServer | 'down' | 'unseen';
};

export type GuardDecision =
  /** What lies in `wal/` is not what was pinned: hands off. */
  | { kind: 'replaced'; segment: SegmentId | undefined }
  | {
      kind: 'act';
      pin: SegmentId[];
      linkBack: SegmentId[];
      /** Linked back a moment too late: the server had read its folder by then. */
      takeOut: SegmentId[];
      /** All that are lost now. */
      lost: SegmentId[];
      /** Deleted at the log's end, where the server writes: nothing that a link could mend. */
      deletedAtEnd: SegmentId[];
      /** Whether the server's start is judged. False while it is still opening its log, or nobody can look. */
      isJudged: boolean;
    };

type Act = Extract<GuardDecision, { kind: 'act' }>;

/** The kernel counts a process' start in steps of 10 ms, and its clocks are read one after the other. */
const START_DOUBT_MS = 250;

/**
 * What to do with the log of a server. A segment is linked back only if the server that runs has had it in its log: the
 * next one is to start from the same. What a server has started without stays out, for it has written since on a state
 * without it, and a replay would put the old state above the newer one.
 */
export function decideGuard(sight: GuardSight): GuardDecision {
  const { wal, pins, server } = sight;
  const inWal = new Map(wal.map(({ segment, inode }) => [segment, inode]));
  const other = pins.find(({ segment, inode }) => (inWal.get(segment) ?? inode) !== inode);
  if (other !== undefined) return { kind: 'replaced', segment: other.segment };
  const newest = Math.max(-1, ...inWal.keys()) as SegmentId;
  const isOurs = pins.length === 0 || pins.some(({ segment }) => inWal.has(segment));
  if (!isOurs && !worksOn(server, newest)) return { kind: 'replaced', segment: undefined };
  const pinned = new Set(pins.map(({ segment }) => segment));
  const missing = pins.filter(({ segment }) => !inWal.has(segment) && !sight.lost.has(segment));
  const act: Act = {
    kind: 'act',
    pin: [...inWal.keys()].filter((segment) => !pinned.has(segment)),
    linkBack: [],
    takeOut: [],
    lost: [...sight.lost],
    deletedAtEnd: missing.map(({ segment }) => segment).filter((segment) => segment > newest),
    isJudged: false,
  };
  const below = missing.filter(({ segment }) => segment < newest);
  if (server === 'unseen') return act;
  if (server === 'down' || server.isKnown) return { ...act, linkBack: below.map(({ segment }) => segment), isJudged: server !== 'down' };
  return judgeStart(act, { ...sight, server }, below);
}

/** Whether it is the same server that the pins are of, and the log in `wal/` its own: it has deleted all that was pinned. */
function worksOn(server: GuardSight['server'], newest: SegmentId): boolean {
  return typeof server === 'object' && server.isKnown && (newest < 0 || server.holds.has(newest));
}

/** What a server that is seen for the first time has started from. */
function judgeStart(
  act: Act,
  { wal, pins, lost, linked, server }: GuardSight & { server: GuardServer },
  missing: readonly GuardPin[],
): Act {
  const { holds, startedAtMs } = server;
  const newest = Math.max(-1, ...wal.map(({ segment }) => segment));
  if (!holds.has(newest as SegmentId)) return act;
  const inWal = new Set(wal.map(({ segment }) => segment));
  const wasDeletedSince = ({ changedAtMs }: GuardPin): boolean => startedAtMs !== undefined && changedAtMs > startedAtMs + START_DOUBT_MS;
  const linkBack = missing.filter((pin) => holds.has(pin.segment) || wasDeletedSince(pin)).map(({ segment }) => segment);
  const takeOut = pins.map(({ segment }) => segment).filter((segment) => inWal.has(segment) && linked.has(segment) && !holds.has(segment));
  const startedWithout = missing.map(({ segment }) => segment).filter((segment) => !linkBack.includes(segment));
  const stillLost = [...lost].filter((segment) => !holds.has(segment));
  return {
    ...act,
    linkBack,
    takeOut,
    lost: [...new Set([...stillLost, ...startedWithout, ...takeOut])].sort((a, b) => a - b),
    isJudged: true,
  };
}
