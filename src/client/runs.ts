import { type Client, type WorkflowExecutionDescription, type WorkflowExecutionInfo, WorkflowNotFoundError } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { NAME_PATTERN } from '../contract/input-field.ts';
import { expiryWorkflowId, recoveryWorkflowId, SEARCH_ATTRIBUTES } from '../contract/names.ts';
import { QUERY_TYPES, WORKFLOW_TYPES } from '../contract/workflow-types.ts';
import type { CommonResult } from '../contract/result.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { inputOf } from './run-input.ts';

const OPERATIONS = WORKFLOW_TYPES.filter((type) => !QUERY_TYPES.includes(type));
const OF_OPERATIONS = `WorkflowType IN (${OPERATIONS.map((type) => `'${type}'`).join(', ')})`;

/** So many of the latest are searched for a beginning. */
const SEARCHED_MAX = 1_000;
const NAMED_MAX = 3;

/** A run as a list shows it. */
export type RunSummary = RunName & {
  /** Enough of an id to name the run by. */
  name: string;
  type: string;
  /** Of a `holdBackup`: whether it ended what keeps a backup. */
  isRelease?: boolean | undefined;
  database: string;
  /** Of a run that came to its end: its outcome, such as `done`; else Temporal's own word, such as `running` or `failed`. */
  state: string;
  /** Unix ms. */
  startedAtMs: number;
  tookMs: number;
};

export type RunName = { workflowId: string; runId: string };

export type RunFilter = {
  /** Of all databases if absent. */
  database?: string | undefined;
  /** How many at most. */
  limit: number;
};

/** The latest runs but queries, the newest first. Fails: invalid-input. */
export async function listRuns(client: Client, filter: RunFilter): Promise<RunSummary[]> {
  return Promise.all((await latestRuns(client, filter)).map((run) => summaryOf(client, run)));
}

const OUTCOME = defineSearchAttributeKey(SEARCH_ATTRIBUTES.outcome, 'KEYWORD');
const DATABASE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.database, 'KEYWORD');

async function summaryOf(client: Client, run: WorkflowExecutionInfo): Promise<RunSummary> {
  const { workflowId, runId, type, status, startTime, closeTime } = run;
  const startedAtMs = startTime.getTime();
  const state = status.name === 'COMPLETED' ? await outcomeOf(client, run) : undefined;
  return {
    name: shortName(run),
    workflowId,
    runId,
    type,
    isRelease: type === 'holdBackup' ? (await inputOf(client, run))?.isRelease : undefined,
    database: databaseOfRun(run),
    state: state ?? status.name.toLowerCase(),
    startedAtMs,
    tookMs: (closeTime?.getTime() ?? Date.now()) - startedAtMs,
  };
}

/** Undefined if its result is gone. A run has no attributes before it has met an agent, or if the namespace refuses them. */
async function outcomeOf(client: Client, { workflowId, runId, typedSearchAttributes }: WorkflowExecutionInfo): Promise<string | undefined> {
  const attribute = typedSearchAttributes.get(OUTCOME);
  if (attribute !== undefined) return attribute;
  try {
    return ((await client.workflow.getHandle(workflowId, runId).result()) as Partial<CommonResult> | null)?.outcome;
  } catch {
    return undefined;
  }
}

/** By its attribute; a run that has met no agent has none: then by an id that rstow gives. */
export function databaseOfRun({ workflowId, typedSearchAttributes }: WorkflowExecutionInfo): string {
  return typedSearchAttributes.get(DATABASE) ?? databaseOfId(workflowId);
}

function databaseOfId(workflowId: string): string {
  const [, database = '', last = ''] = workflowId.split('/');
  return [recoveryWorkflowId(last), expiryWorkflowId(last)].includes(workflowId) ? last : database;
}

/** `condition` is one more of Temporal's list filter. Fails: invalid-input. */
export async function latestRuns(client: Client, { database, limit }: RunFilter, condition?: string): Promise<WorkflowExecutionInfo[]> {
  const wanted = condition === undefined ? OF_OPERATIONS : `${OF_OPERATIONS} AND ${condition}`;
  if (database === undefined) return take(client, wanted, limit);
  if (!NAME_PATTERN.test(database)) throw new RstowError('invalid-input', 'a database’s name is 1 to 63 of a-z, 0-9 and -');
  // A run that failed before it met an agent has no attribute: then the ids that rstow gives name the database.
  const ones = [recoveryWorkflowId(database), expiryWorkflowId(database)].map((id) => `WorkflowId = '${id}'`);
  const byId = `WorkflowId STARTS_WITH 'rstow/${database}/' OR ${ones.join(' OR ')}`;
  // A namespace may have refused the attribute.
  return take(client, `${wanted} AND (${SEARCH_ATTRIBUTES.database} = '${database}' OR ${byId})`, limit).catch(() =>
    take(client, `${wanted} AND (${byId})`, limit),
  );
}

async function take(client: Client, query: string, limit: number): Promise<WorkflowExecutionInfo[]> {
  const runs: WorkflowExecutionInfo[] = [];
  for await (const run of client.workflow.list({ query, pageSize: Math.min(limit, 200) })) {
    runs.push(run);
    if (runs.length >= limit) break;
  }
  return runs;
}

/** The run that a person means, by its id or a beginning of one. Fails: invalid-input, if none begins so, or several do. */
export async function findRun(client: Client, given: string): Promise<RunName & { type: string }> {
  const named = await runOfId(client, given);
  if (named !== undefined) return named;
  const runs = await latestRuns(client, { database: undefined, limit: SEARCHED_MAX });
  const exact = runs.find(({ runId }) => runId === given);
  if (exact !== undefined) return exact;
  const found = runs.filter((run) => namesOf(run).some((name) => name.startsWith(given)));
  const [first, second] = found;
  if (first === undefined) throw new RstowError('invalid-input', `no run is called "${given}"; \`rstow runs\` shows the ids`);
  if (second === undefined) return first;
  const names = found.slice(0, NAMED_MAX).map(shortName).join(', ');
  throw new RstowError('invalid-input', `${found.length} runs begin with "${given}", such as ${names}: type more of the id`);
}

/** Asked for itself: a list may not have a run yet that has just begun. */
async function runOfId(client: Client, workflowId: string): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await client.workflow.getHandle(workflowId).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** What a person may type a beginning of. */
function namesOf(run: WorkflowExecutionInfo): string[] {
  return [run.workflowId, uniquePart(run.workflowId) ?? '', run.runId];
}

const RANDOM_LENGTH = 8;
/** Temporal's run ids begin with the time: eight digits are the same for a minute, twelve for a millisecond. */
const TIMED_LENGTH = 13;

/** `3f2a91bc`, or `01a22667-5d1f` for a run whose workflow id names many: enough to tell it from the others. */
export function shortName({ workflowId, runId }: RunName): string {
  return uniquePart(workflowId)?.slice(0, RANDOM_LENGTH) ?? runId.slice(0, TIMED_LENGTH);
}

/** Of an id that rstow gives: `rstow/<database>/<type>/<unique>`. */
function uniquePart(workflowId: string): string | undefined {
  return /^rstow\/[^/]+\/[^/]+\/([0-9a-f-]{36})$/.exec(workflowId)?.[1];
}
