import type { DeadManConfig } from '../../config/alerts.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { callUrl } from '../../io/alert/call-url.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { type RepeatingTask, startRepeatingTask } from './repeating-task.ts';

const TIMEOUT_MS = 10_000;

type DeadMan = {
  settings: DeadManConfig;
  /** Why nobody may hear that all is well; undefined if it is. */ trouble: () => string | undefined;
  logger: Logger;
  signal: AbortSignal;
};

/** Calls a URL again and again, only while all is well: whoever waits for the calls raises the alarm, also if this host is gone. */
export function startDeadMan({ settings, trouble, logger, signal }: DeadMan): RepeatingTask {
  let said: string | undefined;
  const say = (state: string | undefined, write: () => void): void => {
    if (state !== said) write();
    said = state;
  };
  const pass = async (): Promise<void> => {
    const why = trouble();
    if (why !== undefined) {
      say(why, () => logger.warn({ why }, 'the dead man’s URL is not called'));
      return;
    }
    try {
      await callUrl({ settings, timeoutMs: TIMEOUT_MS, signal });
      say(undefined, () => logger.info('the dead man’s URL is called again'));
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
      const { code, message } = error;
      say(message, () => logger.error({ code }, `the dead man’s URL can’t be called: ${message}`));
    }
  };
  return startRepeatingTask(pass, { what: 'calling the dead man’s URL', intervalMs: settings.everyMs, logger, signal });
}
