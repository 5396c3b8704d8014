import { type Client, WorkflowFailedError, type WorkflowExecutionInfo, WorkflowNotFoundError } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { boundedText } from '../core/errors/rstow-error.ts';
import { isWanted, lastOfEachType, type RunQuery, type RunRecord } from '../core/runs/run-record.ts';
import { databaseOfRun, latestRuns, type RunFilter } from './runs.ts';
import { runState } from './run-state.ts';
import { inputOf, textOf } from './run-input.ts';
import { rstowErrorOf } from './temporal.ts';

/** An open run, and where it is. */
export type OpenRun = RunRecord & {
  workflowId: string;
  /** Its phase, or the step at work in words. */
  phase: string;
  /** Of a delayed start: when it begins, Unix ms. */
  startsAtMs?: number | undefined;
  /** What it waits for, or why its last attempt failed. */
  waitsFor?: string | undefined;
  /** Of the step at work: bytes done, and in all. */
  progress?: { doneBytes: number; totalBytes: number } | undefined;
};

/** What Temporal knows of the runs of one database. */
export type DatabaseRuns = { open: OpenRun[]; /** Of each type the one that ended last. */ last: RunRecord[] };

const AT_ONCE_MAX = 20;
const SENTENCE_LENGTH_MAX = 400;
/** Of those an archive leaves, which begins again every day: the last one says how it is. */
const NO_CONTINUED = `ExecutionStatus != 'ContinuedAsNew'`;
/** Of so many latest runs the last of each type is looked for. */
const LOOKED_AT_MAX = 500;

/** Runs but queries, the newest first, with who asked for them and what came of them. Fails: invalid-input. */
export async function listRunRecords(
  client: Client,
  { type, sinceMs, isFailedOnly, ...filter }: RunFilter & RunQuery,
): Promise<RunRecord[]> {
  const query = [
    NO_CONTINUED,
    ...(type === undefined ? [] : [`WorkflowType = '${type}'`]),
    ...(sinceMs === undefined ? [] : [`StartTime >= '${new Date(sinceMs).toISOString()}'`]),
    ...(isFailedOnly === true ? [`ExecutionStatus != 'Completed' AND ExecutionStatus != 'Running'`] : []),
  ].join(' AND ');
  const records = await recordsOf(client, await latestRuns(client, filter, query));
  return records.filter((record) => isWanted(record, { type, sinceMs, isFailedOnly }));
}

/** So long after its end Temporal may list a run. */
export const LISTED_LATE_MS = 120_000;

/** So many are looked at, the newest; a namespace keeps them for days. */
const ENDED_MAX = 5_000;

/** Runs of a database but queries that have ended since then (Unix ms), in the order of their ends. Fails: invalid-input. */
export async function endedRuns(client: Client, database: string, sinceMs: number): Promise<WorkflowExecutionInfo[]> {
  const query = `${NO_CONTINUED} AND ExecutionStatus != 'Running' AND CloseTime >= '${new Date(sinceMs).toISOString()}'`;
  const runs = await latestRuns(client, { database, limit: ENDED_MAX }, query);
  return runs.toSorted((one, other) => (one.closeTime?.getTime() ?? 0) - (other.closeTime?.getTime() ?? 0));
}

/** Fails: invalid-input. */
export async function databaseRuns(client: Client, database: string): Promise<DatabaseRuns> {
  const runs = await latestRuns(client, { database, limit: LOOKED_AT_MAX }, NO_CONTINUED);
  const byRun = new Map(runs.map((run) => [run.runId, run]));
  const last = lastOfEachType(runs.map(plainRecord)).flatMap(({ runId }) => byRun.get(runId) ?? []);
  const openRuns = await latestRuns(client, { database, limit: AT_ONCE_MAX }, `ExecutionStatus = 'Running'`);
  return { open: await Promise.all(openRuns.map((run) => openRun(client, run))), last: await recordsOf(client, last) };
}

/** With who asked for them and what came of them, which takes a few requests each. */
export async function recordsOf(client: Client, runs: readonly WorkflowExecutionInfo[]): Promise<RunRecord[]> {
  const records: RunRecord[] = [];
  for (let at = 0; at < runs.length; at += AT_ONCE_MAX) {
    records.push(...(await Promise.all(runs.slice(at, at + AT_ONCE_MAX).map((run) => recordOf(client, run)))));
  }
  return records;
}

async function recordOf(client: Client, run: WorkflowExecutionInfo): Promise<RunRecord> {
  const record = { ...plainRecord(run), ...(await askedOf(client, run)) };
  return run.status.name === 'RUNNING' ? record : { ...record, ...(await endOf(client, run)) };
}

async function openRun(client: Client, run: WorkflowExecutionInfo): Promise<OpenRun> {
  const record = await recordOf(client, run);
  const { startsAtMs, isWaitingForAgent, step, progress } = await runState(client.workflow.getHandle(run.workflowId, run.runId));
  const place = { ...record, workflowId: run.workflowId };
  if (startsAtMs !== undefined) return { ...place, phase: 'waiting to start', startsAtMs };
  if (isWaitingForAgent) return { ...place, phase: 'waiting', waitsFor: 'an agent' };
  if (step === undefined) return { ...place, phase: progress?.phase ?? 'between two steps', waitsFor: progress?.waitsFor };
  const { doneBytes, totalBytes } = step.facts;
  const isMeasured = typeof doneBytes === 'number' && typeof totalBytes === 'number' && totalBytes > 0;
  return { ...place, phase: step.step, waitsFor: step.lastFailure, progress: isMeasured ? { doneBytes, totalBytes } : undefined };
}

/** Temporal's own attribute of a run that a schedule has started. */
export const SCHEDULED_BY = defineSearchAttributeKey('TemporalScheduledById', 'KEYWORD');

function plainRecord(run: WorkflowExecutionInfo): RunRecord {
  const { workflowId, runId, type, status, startTime, closeTime } = run;
  return {
    runId,
    workflowId,
    type,
    database: databaseOfRun(run),
    startedAtMs: startTime.getTime(),
    endedAtMs: closeTime?.getTime(),
    state: status.name.toLowerCase(),
    sources: ['temporal'],
  };
}

async function askedOf(client: Client, run: WorkflowExecutionInfo): Promise<Pick<RunRecord, 'who' | 'why' | 'isDryRun' | 'isRelease'>> {
  const schedule = run.typedSearchAttributes.get(SCHEDULED_BY);
  const { requestedBy, reason, isDryRun, isRelease } = (await inputOf(client, run)) ?? {};
  const who = requestedBy ?? (schedule === undefined ? undefined : `schedule ${schedule}`);
  return { who, why: reason, isDryRun, isRelease };
}

/** Whether it was asked only what it would do; false of one that Temporal has forgotten. */
export async function isDryRun(client: Client, run: WorkflowExecutionInfo): Promise<boolean> {
  return (await inputOf(client, run))?.isDryRun === true;
}

async function endOf(client: Client, { workflowId, runId, status }: WorkflowExecutionInfo): Promise<Partial<RunRecord>> {
  const handle = client.workflow.getHandle(workflowId, runId, { followRuns: false });
  try {
    const { outcome, label } = ((await handle.result()) ?? {}) as Record<string, unknown>;
    return { state: textOf(outcome) ?? status.name.toLowerCase(), label: textOf(label) };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return {};
    const failure = error instanceof WorkflowFailedError ? rstowErrorOf(error) : undefined;
    if (failure === undefined) throw error;
    return { failure: { code: failure.code, sentence: boundedText(failure.message, SENTENCE_LENGTH_MAX) } };
  }
}
