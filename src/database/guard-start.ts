import type { SegmentId } from '../core/wal/wal-offset.ts';
import { guardObstacle } from '../io/data-directory/guard-pins.ts';
import type { Database } from './database.ts';
import { actOnGuard, inheritPins, viewGuard } from './guard.ts';
import { doubtLink } from './guard-doubt.ts';

export type StartGuarded = {
  linkedBack: SegmentId[];
  /** What an earlier server has started without. */
  lost: SegmentId[];
  /** Why nothing was done. */
  obstacle: string | undefined;
};

const NOTHING: StartGuarded = { linkedBack: [], lost: [], obstacle: undefined };

/**
 * Links back what compaction has deleted, right before a start. No server runs, and the caller holds the data mutex, or is
 * waited for by who does. Fails: timeline-diverged, data-directory-unsupported. Twice: nothing is left to do.
 */
export async function linkBackBeforeStart(database: Database): Promise<StartGuarded> {
  if (!database.settings.guard.enabled) return NOTHING;
  const obstacle = await guardObstacle(database.dataDir);
  if (obstacle !== undefined) return { ...NOTHING, obstacle };
  await inheritPins(database);
  const seen = await viewGuard(database, 'down');
  if (seen === undefined) return NOTHING;
  const view = await doubtLink(seen);
  if (view.decision.kind === 'replaced') {
    return { ...NOTHING, obstacle: `the segments in ${database.walDir} are not those in ${view.folder}: somebody has replaced the log` };
  }
  const { linkedBack, lost } = await actOnGuard(database, view);
  return { linkedBack, lost, obstacle: undefined };
}

/** The same, for a server that must come up whatever becomes of it. */
export async function linkBackIfPossible(database: Database): Promise<void> {
  await linkBackBeforeStart(database).catch(() => undefined);
}
