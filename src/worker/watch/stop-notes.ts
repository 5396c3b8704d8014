import { type HostConfig, openDatabase } from '../../database/database.ts';
import { finishStopNote } from '../../database/finish-stop-note.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';

/**
 * Finishes, without Temporal, the stop notes of runs that are gone, so that a database comes up though nobody else does. Each
 * database by itself: one whose server can't start keeps no other waiting.
 */
export function startStopNoteWatch(host: HostConfig, options: { logger: Logger; signal: AbortSignal }): RepeatingTask {
  const { logger } = options;
  const pass = async (database: string): Promise<void> => {
    const finish = await finishStopNote(openDatabase(host, database));
    if (typeof finish !== 'object') return;
    if (finish.inPlace !== 'unknown') {
      logger.warn({ database, inPlace: finish.inPlace }, 'finished the stop note of a run that is gone');
      return;
    }
    const { noteKeptAt, why } = finish;
    logger.warn(
      { database, code: 'format-unsupported', noteKeptAt },
      `${why}; the server was started on the wal/ in place, and the note is kept`,
    );
  };
  const what = (database: string): string => `finishing the stop note of ${database}`;
  return startTaskForEach(Object.keys(host.config.databases), pass, { what, intervalMs: INTERVAL_MS, ...options });
}
