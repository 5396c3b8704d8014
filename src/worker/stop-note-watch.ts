import { type HostConfig, openDatabase } from '../database/database.ts';
import { finishStopNote } from '../database/finish-stop-note.ts';
import type { Logger } from './agent-logger.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';

const INTERVAL_MS = 60_000;

/**
 * Ends, without Temporal, the swaps of restores that are gone, so that a database comes up though nobody else does. Each
 * database by itself: one whose server can't start keeps no other waiting.
 */
export function startStopNoteWatch(host: HostConfig, options: { logger: Logger; signal: AbortSignal }): RepeatingTask {
  const { logger } = options;
  const pass = async (database: string): Promise<void> => {
    const finish = await finishStopNote(openDatabase(host, database));
    if (typeof finish !== 'object') return;
    const { inPlace, noteKeptAt } = finish;
    if (noteKeptAt === undefined) logger.warn({ database, inPlace }, 'finished the stop note of a restore that is gone');
    else logger.warn({ database, noteKeptAt }, 'started the server on the wal/ in place, although its stop note could not be read');
  };
  const what = (database: string): string => `finishing the stop note of ${database}`;
  return startTaskForEach(Object.keys(host.config.databases), pass, { what, intervalMs: INTERVAL_MS, ...options });
}
