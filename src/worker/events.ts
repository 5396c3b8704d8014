import type { EventFact, EventKind, Events } from '../activities/events.ts';
import type { Logger } from './telemetry/agent-logger.ts';

type Level = 'debug' | 'info' | 'warn' | 'error';

const LEVELS: Readonly<Record<EventKind, Level>> = {
  'ownership-changed': 'info',
  'server-stale': 'error',
  'server-compacts': 'warn',
  'repositories-apart': 'error',
  'repository-notice': 'warn',
  'backup-verified': 'debug',
  'recovery-tested': 'debug',
};

/** Writes each fact into the log, at the level of its kind, and gives it to the subscribers. */
export function createEvents(logger: Pick<Logger, Level>, subscribers: readonly ((fact: EventFact) => void)[] = []): Events {
  return {
    record: (fact) => {
      const { sentence, ...facts } = fact;
      logger[LEVELS[fact.kind]](facts, sentence);
      for (const subscriber of subscribers) subscriber(fact);
    },
  };
}
