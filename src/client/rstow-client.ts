import type { Client } from '@temporalio/client';
import { WORKFLOW_QUEUE } from '../contract/names.ts';
import type { RunQuery, RunRecord } from '../core/runs/run-record.ts';
import { type DatabaseRuns, databaseRuns, listRunRecords } from './run-records.ts';
import type { Workflows, WorkflowType } from '../contract/workflow-types.ts';
import { type ConnectOptions, connectTemporal, withRstowErrors } from './temporal.ts';
import { type ArchiveHandle, archiveHandle } from './archive-handle.ts';
import { forgetPastQueries } from './run-state.ts';
import { type RunHandle, runHandle, type StartedRun, type StartOptions, startRun } from './run-handle.ts';
import { schedules, type Schedules } from './schedules.ts';
import { findRun, listRuns, type RunFilter, type RunName, type RunSummary } from './runs.ts';

export type { ArchiveHandle, ConnectOptions, RunFilter, RunHandle, RunName, RunSummary, Schedules, StartedRun, StartOptions };
export type { ApplyOptions, ScheduleChange } from './schedules.ts';
export type { ScheduleState } from './schedule-state.ts';
export type { RunState, RunStep } from './run-state.ts';
export type { Signer } from '../contract/messages.ts';
export { rstowErrorOf } from './temporal.ts';
export { shortName } from './runs.ts';
export type { DatabaseRuns, OpenRun } from './run-records.ts';

/** Starts runs of rstow's workflows and follows them. Each call fails with an `RstowError`, which has a `code`, `details` and a `hint`. */
export type RstowClient = {
  /** Temporal's own client, for what is not here. */
  readonly temporal: Client;
  /**
   * Starts a run. It begins once an agent is there; the run of a recovery that is open already takes the request as its own.
   * Fails: invalid-input, before Temporal is asked; busy, for an expiry while one that was asked for otherwise is open; temporal-unreachable.
   */
  start<T extends WorkflowType>(type: T, input: Workflows[T]['input'], options?: StartOptions): Promise<StartedRun<T>>;
  /** A run that somebody else has started; its latest run if no `runId` is given. The type is the caller's word. */
  run<T extends WorkflowType>(workflowId: string, runId?: string): RunHandle<T>;
  /** The continuous archive of a database, whoever has started it. */
  archive(database: string): ArchiveHandle;
  /** What starts runs on a database by the clock. */
  schedules(database: string): Schedules;
  /** The run that a person means, by its id or a beginning of one. Fails: invalid-input, if none begins so, or several do. */
  findRun(given: string): Promise<RunName & { type: string }>;
  /** The latest runs but queries, the newest first. Fails: invalid-input. */
  runs(filter: RunFilter): Promise<RunSummary[]>;
  /** The same, with who asked for them, why, and what came of them. Fails: invalid-input. */
  records(query: RunFilter & RunQuery): Promise<RunRecord[]>;
  /** The open runs of a database and where they are, and of each type the run that ended last. Fails: invalid-input. */
  databaseRuns(database: string): Promise<DatabaseRuns>;
  /** Whether an agent was there within the last minutes: without one, a run waits. */
  hasAgents(): Promise<boolean>;
  /** Removes from Temporal the queries of this client that have ended. Twice: no-op. */
  forgetPastQueries(): Promise<void>;
};

/** A client and the connection that is its own. */
export type ConnectedClient = RstowClient & { close(): Promise<void> };

/** Fails: temporal-unreachable, within 10 s; invalid-input if there is no such namespace. */
export async function connectRstow(options: ConnectOptions = {}): Promise<ConnectedClient> {
  const { temporal, close } = await connectTemporal(options);
  return { ...rstowClient(temporal), close };
}

/** On a connection of the caller's, who closes it. */
export function rstowClient(temporal: Client): RstowClient {
  return {
    temporal,
    start: (type, input, options = {}) => withRstowErrors(() => startRun(temporal, { type, input, options })),
    run: (workflowId, runId) => runHandle(temporal, temporal.workflow.getHandle(workflowId, runId), runId),
    archive: (database) => archiveHandle(temporal, database),
    schedules: (database) => schedules(temporal, database),
    findRun: (given) => withRstowErrors(() => findRun(temporal, given)),
    runs: (filter) => withRstowErrors(() => listRuns(temporal, filter)),
    records: (query) => withRstowErrors(() => listRunRecords(temporal, query)),
    databaseRuns: (database) => withRstowErrors(() => databaseRuns(temporal, database)),
    hasAgents: () => withRstowErrors(() => hasAgents(temporal)),
    forgetPastQueries: () => withRstowErrors(() => forgetPastQueries(temporal)),
  };
}

/** The queue's workflow side is what is described by default. Pollers are remembered for minutes, so none means none. */
async function hasAgents({ workflowService, options: { namespace } }: Client): Promise<boolean> {
  const { pollers } = await workflowService.describeTaskQueue({ namespace, taskQueue: { name: WORKFLOW_QUEUE } });
  return pollers.length > 0;
}
