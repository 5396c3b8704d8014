/** What happened, in one word: whoever subscribes decides by it. */
export type EventKind =
  | 'ownership-changed'
  | 'server-stale'
  | 'server-compacts'
  | 'repositories-apart'
  | 'repository-notice'
  | 'backup-verified'
  | 'recovery-tested';

/** One fact about a database or a repository. `sentence` is for people; everything else can be counted and asked for. */
export type EventFact = {
  kind: EventKind;
  sentence: string;
  database?: string | undefined;
  repository?: string | undefined;
  /** Of the table of errors, if it is a fault. */
  code?: string | undefined;
  [more: string]: unknown;
};

/** The one door from verbs and watchers to the log, and to whatever counts or alerts. Never fails, never waits. */
export type Events = { record(fact: EventFact): void };
