import { finishStopNote } from '../activities/restore/finish-stop-note.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { Logger } from './agent-logger.ts';
import { type RepeatingTask, startRepeatingTask } from './repeating-task.ts';

const INTERVAL_MS = 60_000;

/** Ends, without Temporal, the swaps of restores that are gone, so that a database comes up though nobody else does. */
export function startStopNoteWatch(config: AgentConfig, options: { logger: Logger; signal: AbortSignal }): RepeatingTask {
  const { logger } = options;
  const pass = async (): Promise<void> => {
    for (const [database, settings] of Object.entries(config.databases)) {
      const finish = await finishStopNote(settings, config.timing);
      if (typeof finish === 'object')
        logger.warn({ database, inPlace: finish.inPlace }, 'finished the stop note of a restore that is gone');
    }
  };
  return startRepeatingTask(pass, { what: 'finishing stop notes', intervalMs: INTERVAL_MS, ...options });
}
