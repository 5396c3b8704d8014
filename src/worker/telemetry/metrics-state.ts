import type { EventFact } from '../../activities/activity-deps.ts';
import type { ProtectionFacts, ProtectionRead } from '../../activities/catalogue/protection-facts.ts';

export type RepositoryState = {
  isUp: boolean;
  /** As it was read last; undefined if that was never. */
  protection: ProtectionFacts | undefined;
};

/** What is known of a database that this agent owns. */
export type DatabaseState = {
  /** When a look that has stored all of the log began, or the agent did; undefined where nothing is archived. */
  archivedAtMs: number | undefined;
  /** Undefined until it was checked. */
  isRestartSafe: boolean | undefined;
  /** Of the last backup run of each kind. */
  lastDone: Map<string, boolean>;
  /** Runs that have ended since the agent began, by kind and outcome. */
  ended: Map<string, Record<Outcome, number>>;
  repositories: Map<string, RepositoryState>;
};

type Outcome = 'done' | 'failed';
type Total = { database: string; kind: string; outcome: Outcome; value: number };

export type MetricsState = {
  databases: ReadonlyMap<string, DatabaseState>;
  totals(): Total[];
  note(fact: EventFact): void;
};

type Options = { isArchived: (database: string) => boolean; nowMs: () => number };

/** What events have said, until now. */
export function createMetricsState({ isArchived, nowMs }: Options): MetricsState {
  // Facts may come before it is known whose a database is.
  const all = new Map<string, DatabaseState>();
  const owned = new Map<string, DatabaseState>();
  const knownOf = (database: string): DatabaseState => {
    const known = all.get(database) ?? newDatabase();
    all.set(database, known);
    return known;
  };
  const own = (database: string): void => {
    const known = knownOf(database);
    if (isArchived(database)) known.archivedAtMs ??= nowMs();
    owned.set(database, known);
  };
  return {
    databases: owned,
    totals: () => [...owned].flatMap(([database, { ended }]) => totalsOf(database, ended)),
    note: (fact) => {
      const { kind, database } = fact;
      if (database === undefined) return;
      if (fact['ownership'] === 'foreign') {
        all.delete(database);
        owned.delete(database);
      } else {
        if (fact['ownership'] === 'mine' || kind === 'protection-read' || kind === 'repository-unread') own(database);
        noteFact(knownOf(database), fact);
      }
    },
  };
}

function newDatabase(): DatabaseState {
  const ended = new Map([['hot', { done: 0, failed: 0 }]]);
  return { archivedAtMs: undefined, isRestartSafe: undefined, lastDone: new Map(), ended, repositories: new Map() };
}

function totalsOf(database: string, ended: DatabaseState['ended']): Total[] {
  return [...ended].flatMap(([kind, { done, failed }]): Total[] => [
    { database, kind, outcome: 'done', value: done },
    { database, kind, outcome: 'failed', value: failed },
  ]);
}

/** Facts that say nothing of what is exported are passed over. */
function noteFact(known: DatabaseState, fact: EventFact): void {
  const { kind, repository = '' } = fact;
  if (kind === 'protection-read') known.repositories.set(repository, { isUp: true, protection: fact as ProtectionRead });
  if (kind === 'repository-unread')
    known.repositories.set(repository, { isUp: false, protection: known.repositories.get(repository)?.protection });
  if (kind === 'archive-looked') known.archivedAtMs = fact['seenAtMs'] as number;
  if (kind === 'restart-checked') known.isRestartSafe = fact['isSafe'] === true;
  if (kind === 'restart-unsafe' || kind === 'server-compacts') known.isRestartSafe = false;
  if (kind === 'backup-ended') noteEnded(known, fact);
}

function noteEnded({ lastDone, ended }: DatabaseState, fact: EventFact): void {
  const { backupKind, isDone, isNew } = fact as EventFact & { backupKind: string; isDone: boolean; isNew: boolean };
  lastDone.set(backupKind, isDone);
  const counts = ended.get(backupKind) ?? { done: 0, failed: 0 };
  if (isNew) counts[isDone ? 'done' : 'failed'] += 1;
  ended.set(backupKind, counts);
}
