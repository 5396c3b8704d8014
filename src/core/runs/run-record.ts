/** One run as an operator or an auditor asks for it: when, what, who, why, and what came of it. */
export type RunRecord = {
  runId: string;
  workflowId?: string | undefined;
  type: string;
  database: string;
  /** Who asked, by their own word; the schedule that started it; undefined if nobody said. */
  who?: string | undefined;
  /** Why, by the word of who asked. */
  why?: string | undefined;
  /** Whether it was only to say what it would do. */
  isDryRun?: boolean | undefined;
  /** Of a `holdBackup`: whether it ended what keeps a backup. */
  isRelease?: boolean | undefined;
  /** Unix ms; of a run that only the repository knows it may be when its result was written. */
  startedAtMs: number;
  /** Undefined while it is open, and where nobody knows it any more. */
  endedAtMs?: number | undefined;
  /** `running`, an outcome such as `done`, or Temporal's own word for an end without a result, such as `terminated`. */
  state: string;
  /** Why it failed; its code is one of rstow's. */
  failure?: { code: string; sentence: string } | undefined;
  /** The backup that it made, or was about. */
  label?: string | undefined;
  /** Who knows of it. */
  sources: RunSource[];
};

export type RunSource = 'temporal' | 'repository';

export type RunQuery = { type?: string | undefined; /** Unix ms. */ sinceMs?: number | undefined; isFailedOnly?: boolean | undefined };

/** One record a run, the newest first; `records`: whoever knows most of a run comes first. */
export function mergedRecords(records: readonly RunRecord[]): RunRecord[] {
  const byRun = new Map<string, RunRecord>();
  for (const record of records) {
    const known = byRun.get(record.runId);
    byRun.set(record.runId, known === undefined ? record : withSources(known, record));
  }
  return [...byRun.values()].toSorted((one, other) => other.startedAtMs - one.startedAtMs);
}

function withSources(known: RunRecord, record: RunRecord): RunRecord {
  const sources = [...new Set([...known.sources, ...record.sources])];
  return {
    ...known,
    who: known.who ?? record.who,
    why: known.why ?? record.why,
    label: known.label ?? record.label,
    failure: known.failure ?? record.failure,
    sources,
  };
}

export function isWanted({ type, startedAtMs, state }: RunRecord, query: RunQuery): boolean {
  if (query.type !== undefined && type !== query.type) return false;
  if (query.sinceMs !== undefined && startedAtMs < query.sinceMs) return false;
  return query.isFailedOnly !== true || isBad(state);
}

const GOOD_STATES: readonly string[] = ['running', 'done', 'warnings', 'skipped', 'not-needed', 'restarted', 'paused', 'stopped'];

/** Whether the run ended otherwise than it should: failed, cancelled, terminated, timed out. */
function isBad(state: string): boolean {
  return !GOOD_STATES.includes(state);
}

/** Of each type the run that ended last, in the order of their ends. */
export function lastOfEachType(records: readonly RunRecord[]): RunRecord[] {
  const last = new Map<string, RunRecord>();
  for (const record of records) {
    const before = last.get(record.type);
    if (record.endedAtMs !== undefined && (before?.endedAtMs ?? 0) < record.endedAtMs) last.set(record.type, record);
  }
  return [...last.values()].toSorted((one, other) => (other.endedAtMs ?? 0) - (one.endedAtMs ?? 0));
}
