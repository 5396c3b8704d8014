import { Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import type { BackupWatch, FailedRun } from '../../activities/activity-deps.ts';
import { isDryRun, SCHEDULED_BY } from '../../client/run-records.ts';
import { type ScheduleState, scheduleState } from '../../client/schedule-state.ts';
import type { ArchiveRun, EndedBackup } from '../../contract/describe-database.ts';
import { archiveWorkflowId, PROGRESS_QUERY, SEARCH_ATTRIBUTES } from '../../contract/names.ts';
import { WANTED_QUERY } from '../../contract/messages.ts';
import type { Progress } from '../../contract/result.ts';
import type { ScheduledType } from '../../contract/schedules.ts';
import { BACKUP_TYPES, type WorkflowType } from '../../contract/workflow-types.ts';
import type { ScheduledRun, ScheduledRuns } from '../../core/alerts/missed-runs.ts';
import { isWrongRequest } from '../../core/errors/error-table.ts';
import type { ScheduleFacts } from '../../core/protection/verdict.ts';
import { rhythmOf } from '../../core/schedule/rhythm.ts';
import { rethrowUnreachable } from './run-registry.ts';
import { createLastVerdict } from './last-verdict.ts';
import type { TemporalConnection } from './connection.ts';

const REQUEST_MS = 10_000;

/** Asks the agent's Temporal. `hasAttributes`: whether runs can be found by their database. */
export function createBackupWatch({ connection, namespace }: TemporalConnection, hasAttributes: boolean): BackupWatch {
  const client = new Client({ connection, namespace });
  const ask = <T>(question: () => Promise<T>): Promise<T> => connection.withDeadline(Date.now() + REQUEST_MS, question);
  const lastVerdict = createLastVerdict<FailedRun[]>();
  const failedRuns = async (database: string): Promise<FailedRun[]> => {
    const verdicts = FAILURES_COUNT.map((type) => lastVerdict(`${database}/${type}`, verdictsOn(client, { database, type })));
    return (await Promise.all(verdicts)).flatMap((failed) => failed ?? []);
  };
  return {
    schedule: (database) => ask(() => scheduleFacts(client, database)).catch(rethrowUnreachable),
    scheduled: (database, types) => ask(() => scheduledRuns(client, database, types)).catch(rethrowUnreachable),
    lastEnded: async (database) => (hasAttributes ? ask(() => lastEnded(client, database)).catch(rethrowUnreachable) : undefined),
    failed: async (database) => (hasAttributes ? ask(() => failedRuns(database)).catch(rethrowUnreachable) : []),
    archive: (database) => ask(() => archiveRun(client, database)).catch(rethrowUnreachable),
  };
}

async function scheduleFacts(client: Client, database: string): Promise<ScheduleFacts | undefined> {
  const state = await scheduleState(client, database, 'hotBackup');
  if (state === undefined) return undefined;
  const { id, isPaused, nextAtMs, everyMs, cron, timeZone } = state;
  const isCalendar = everyMs === undefined && rhythmOf(state) !== undefined;
  return { id, isPaused, nextAtMs, everyMs, ...(isCalendar ? { cron, timeZone } : {}) };
}

async function scheduledRuns(client: Client, database: string, types: readonly ScheduledType[]): Promise<ScheduledRuns[]> {
  const states = await Promise.all(types.map((type) => scheduleState(client, database, type)));
  const present = states.filter((state) => state !== undefined);
  return Promise.all(present.map(async (state) => ({ ...state, rhythm: rhythmOf(state), last: await lastScheduled(client, state) })));
}

async function lastScheduled(
  { workflow }: Client,
  { lastWorkflowId, lastDueAtMs, lastAtMs }: ScheduleState,
): Promise<ScheduledRun | undefined> {
  if (lastWorkflowId === undefined || lastDueAtMs === undefined || lastAtMs === undefined) return undefined;
  const run = { workflowId: lastWorkflowId, dueAtMs: lastDueAtMs, startedAtMs: lastAtMs };
  try {
    const { status, closeTime } = await workflow.getHandle(lastWorkflowId).describe();
    if (closeTime === undefined) return { ...run, end: { kind: 'open' } };
    return { ...run, end: { kind: status.name === 'COMPLETED' ? 'done' : 'failed', atMs: closeTime.getTime() } };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { ...run, end: { kind: 'done', atMs: lastAtMs } };
    throw error;
  }
}

/** An agent that can't be asked where the run is: somebody waits for the answer. */
const PROGRESS_MS = 3_000;

async function archiveRun({ workflow }: Client, database: string): Promise<ArchiveRun | undefined> {
  const handle = workflow.getHandle(archiveWorkflowId(database));
  try {
    if ((await handle.describe()).status.name !== 'RUNNING') return undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
  const ask = async (): Promise<ArchiveRun> => {
    const [{ phase, waitsFor }, wanted] = await Promise.all([
      handle.query<Progress>(PROGRESS_QUERY),
      handle.query<Pick<ArchiveRun, 'pausedBy' | 'bytesPerSecond'>>(WANTED_QUERY),
    ]);
    return { phase, waitsFor, pausedBy: wanted.pausedBy, bytesPerSecond: wanted.bytesPerSecond };
  };
  return workflow.withDeadline(Date.now() + PROGRESS_MS, ask).catch(() => ({ phase: 'no agent says where it is' }));
}

/** One that was terminated or cancelled was ended on purpose, and says nothing. */
async function lastEnded({ workflow }: Client, database: string): Promise<EndedBackup | undefined> {
  const ended = `ExecutionStatus IN ('Completed', 'Failed', 'TimedOut')`;
  const backup = `WorkflowType IN (${BACKUP_TYPES.map((type) => `'${type}'`).join(', ')})`;
  const query = `${backup} AND ${SEARCH_ATTRIBUTES.database} = '${database}' AND ${ended}`;
  let newest: EndedBackup | undefined;
  for await (const { workflowId, runId, closeTime, status } of workflow.list({ query, pageSize: 1 })) {
    newest = { workflowId, endedAtMs: closeTime?.getTime() ?? 0 };
    return status.name === 'COMPLETED' ? newest : { ...newest, failure: await failureOf(workflow.getHandle(workflowId, runId).result()) };
  }
  return newest;
}

/** What a person has started by hand and waits for, such as an export, is not among them. */
const FAILURES_COUNT: readonly WorkflowType[] = [
  ...(['archiveWal', 'verifyBackup', 'testRecovery', 'copyBackups', 'expireBackups', 'rotateKeys'] as const),
  ...(['restore', 'restoreVolume', 'pointInTimeRecovery', 'undoRestore', 'rebaseDatabase', 'disasterRecovery'] as const),
];

/** Nearly always the newest one decides. */
const LISTED_AT_ONCE = 10;

type Ended = { database: string; type: WorkflowType };

/**
 * What each run has to say, the newest first: [] if it was done, undefined if nothing. One that was terminated or cancelled was ended on
 * purpose, whoever mistypes a label has read so, and a dry run does nobody's work.
 */
async function* verdictsOn(client: Client, { database, type }: Ended): AsyncGenerator<FailedRun[] | undefined> {
  const of = `${SEARCH_ATTRIBUTES.database} = '${database}' AND ExecutionStatus IN ('Completed', 'Failed', 'TimedOut')`;
  for await (const run of client.workflow.list({ query: `WorkflowType = '${type}' AND ${of}`, pageSize: LISTED_AT_ONCE })) {
    const isByHand = run.typedSearchAttributes.get(SCHEDULED_BY) === undefined;
    if (isByHand && (await isDryRun(client, run))) yield undefined;
    else if (run.status.name === 'COMPLETED') yield [];
    else {
      const failure = await failureOf(client.workflow.getHandle(run.workflowId, run.runId).result());
      yield isByHand && isWrongRequest(failure.code) ? undefined : [{ type, workflowId: run.workflowId, failure }];
    }
  }
}

/** A backup run that has come to its end or failed. `backupKind`: `hot`, `cold` or `snapshot`. */
type EndedRun = { workflowId: string; runId: string; backupKind: string; isDone: boolean; endedAtMs: number };

export type EndedBackups = {
  /** The last one of each kind. Fails: temporal-unreachable. */
  newest(database: string): Promise<EndedRun[]>;
  /** All that have ended since then (Unix ms), of each kind the newest `ENDED_MAX`. Fails: temporal-unreachable. */
  since(database: string, sinceMs: number): Promise<EndedRun[]>;
};

/** More can't end within minutes, and hardly while Temporal is out of reach: one of a database runs at a time. */
const ENDED_MAX = 200;

/** By rstow's search attributes, which the namespace must have. */
export function createEndedBackups({ connection, namespace }: TemporalConnection): EndedBackups {
  const { workflow } = new Client({ connection, namespace });
  const list = async (type: string, condition: string, max: number): Promise<EndedRun[]> => {
    const query = `WorkflowType = '${type}' AND ${condition} AND ExecutionStatus IN ('Completed', 'Failed', 'TimedOut')`;
    const runs: EndedRun[] = [];
    for await (const { workflowId, runId, closeTime, status } of workflow.list({ query, pageSize: max })) {
      const isDone = status.name === 'COMPLETED';
      runs.push({ workflowId, runId, backupKind: type.replace('Backup', ''), isDone, endedAtMs: closeTime?.getTime() ?? 0 });
      if (runs.length === max) break;
    }
    return runs;
  };
  const ofEach = async (condition: string, max: number): Promise<EndedRun[]> => {
    const ask = async (type: WorkflowType): Promise<EndedRun[]> =>
      connection.withDeadline(Date.now() + REQUEST_MS, () => list(type, condition, max)).catch(rethrowUnreachable);
    return (await Promise.all(BACKUP_TYPES.map(ask))).flat();
  };
  const of = (database: string): string => `${SEARCH_ATTRIBUTES.database} = '${database}'`;
  return {
    newest: (database) => ofEach(of(database), 1),
    since: (database, sinceMs) => ofEach(`${of(database)} AND CloseTime > '${new Date(sinceMs).toISOString()}'`, ENDED_MAX),
  };
}

async function failureOf(result: Promise<unknown>): Promise<NonNullable<EndedBackup['failure']>> {
  try {
    await result;
    return { code: 'failed', sentence: 'it did not come to its end' };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const { type, message = '' } = (error.cause ?? {}) as { type?: string; message?: string };
    const code = type ?? 'failed';
    return { code, sentence: message.replace(`${code}: `, '') };
  }
}
