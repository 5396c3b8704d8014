import { sizeText } from '../text/figures.ts';

export type LogFacts = {
  /** What a start replays: all segments in wal/. */
  logBytes: number;
  /** The records that hold the present state: about what a baseline takes. */
  stateBytes: number;
  /** The last segment stays as it is. */
  lastSegmentBytes: number;
  /** What a start can have, the running server's own included; undefined if it isn't known. */
  memoryBytes?: number | undefined;
  /** How many machines and instances a start would lose; 0 if none. */
  lostAtStart: number;
};

/** Why a rebase is due, the most urgent reason first. */
export type RebaseReason = 'start-loses-state' | 'start-needs-memory' | 'log-outgrew-state';

export type RebaseVerdict = {
  reasons: RebaseReason[];
  /** What a start takes now, and what it would take after a rebase. */
  startMemoryBytes: number;
  startMemoryBytesAfter: number;
  /** One sentence for each reason. */
  sentences: string[];
};

/** Measured: the log is in memory as parsed entries while it is replayed. */
const MEMORY_PER_LOG_BYTE = 5.5;

/** A log of less is replayed within seconds, whatever it holds. */
const LOG_BYTES_MIN = 512 * 1024 * 1024;

/** Less than that saves a start too little for the outage that a rebase is. */
const TIMES_SMALLER_MIN = 4;

/** A start must fit with some room: the log grows until somebody has rebased it. */
const MEMORY_SHARE_MAX = 0.8;

/** Whether `rebaseDatabase` is worth the outage. */
export function rebaseDue({ logBytes, stateBytes, lastSegmentBytes, memoryBytes, lostAtStart }: LogFacts): RebaseVerdict {
  const bytesAfter = Math.min(logBytes, stateBytes + lastSegmentBytes);
  const startMemoryBytes = Math.round(logBytes * MEMORY_PER_LOG_BYTE);
  const startMemoryBytesAfter = Math.round(bytesAfter * MEMORY_PER_LOG_BYTE);
  const found: [RebaseReason, string][] = [];
  if (lostAtStart > 0) found.push(['start-loses-state', `a start of the server would lose ${lostAtStart} machines and instances`]);
  if (memoryBytes !== undefined && startMemoryBytes > memoryBytes * MEMORY_SHARE_MAX && bytesAfter < logBytes) {
    const needs = `a start of the server needs about ${sizeText(startMemoryBytes)} of memory for ${sizeText(logBytes)} of log`;
    found.push(['start-needs-memory', `${needs}, and there are ${sizeText(memoryBytes)}`]);
  }
  if (logBytes >= LOG_BYTES_MIN && logBytes >= TIMES_SMALLER_MIN * bytesAfter) {
    found.push([
      'log-outgrew-state',
      `${sizeText(logBytes)} of log hold a state of ${sizeText(stateBytes)}, and all of it is replayed at each start`,
    ]);
  }
  return {
    reasons: found.map(([reason]) => reason),
    sentences: found.map(([, sentence]) => sentence),
    startMemoryBytes,
    startMemoryBytesAfter,
  };
}
