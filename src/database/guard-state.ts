import { setTimeout as delay } from 'node:timers/promises';
import type { GuardState } from '../core/guard/guard-state.ts';
import { guardObstacle } from '../io/data-directory/guard-pins.ts';
import type { Database } from './database.ts';
import { type GuardView, keptBytes, UNSEEN, viewGuard } from './guard.ts';

/** What the restart guard of the database can do, and what it knows: from the disk and the config, whoever asks. Fails: timeline-diverged. */
export async function guardState(database: Database): Promise<GuardState> {
  if (!database.settings.guard.enabled) return { kind: 'off' };
  const obstacle = await guardObstacle(database.dataDir);
  if (obstacle !== undefined) return { kind: 'unsupported', why: obstacle };
  const view = await viewGuard(database);
  return view === undefined ? { kind: 'waiting' } : stateOf(view);
}

function stateOf(view: GuardView): GuardState {
  const { wal, pins, noted, decision, timeline, folder, server } = view;
  if (noted.unsupported !== null) return { kind: 'unsupported', why: noted.unsupported };
  if (decision.kind === 'replaced') return { kind: 'replaced', why: `the segments in wal/ are not those in ${folder}` };
  if (server === 'unseen') return { kind: 'unsupported', why: UNSEEN };
  if (pins.length === 0) return { kind: 'waiting' };
  const inWal = new Set(wal.map(({ segment }) => segment));
  const { deletedAtEnd } = decision;
  const others = new Set([...noted.lost, ...deletedAtEnd]);
  return {
    kind: 'on',
    timeline,
    pinned: pins.length,
    unpinned: decision.pin.length,
    missing: pins.map(({ segment }) => segment).filter((segment) => !inWal.has(segment) && !others.has(segment)),
    deletedAtEnd,
    lost: noted.lost,
    lostSinceMs: noted.lostSinceMs,
    keptBytes: keptBytes(view),
  };
}

const LOOKS = 3;
/** One that finds something to do takes a moment. */
const LOOKED_MS = 1_000;

/** Waits for as long as a guard that works takes to link back what compaction has just deleted. */
export async function guardHasLooked({ settings }: Pick<Database, 'settings'>, signal: AbortSignal): Promise<void> {
  if (settings.guard.enabled) await delay(Math.max(LOOKED_MS, LOOKS * settings.guard.intervalMs), undefined, { signal });
}
