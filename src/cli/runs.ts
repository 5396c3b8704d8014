import type { WorkflowExecutionInfo } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { SEARCH_ATTRIBUTES } from '../contract/names.ts';
import type { CommonResult } from '../contract/result.ts';
import type { WorkflowType } from '../contract/workflow-types.ts';
import { tellDetached } from './execute-run.ts';
import { findRun, latestRuns, shortName } from './find-run.ts';
import { historyLink } from './history-link.ts';
import { createOutput } from './output.ts';
import { RESULT_LINES } from './results/result-lines.ts';
import { ageText, durationText } from './size-text.ts';
import { tableLines } from './table.ts';
import { type ResultLines, tellResult } from './tell-result.ts';
import { connectClient, type TemporalClient, type TemporalOptions } from './temporal-client.ts';
import { watchRun } from './watch-run.ts';

export type RunsOptions = TemporalOptions & { json?: boolean };

/** Lists runs. Returns the exit code. Fails: temporal-unreachable, invalid-input. */
export async function listRuns(database: string | undefined, options: RunsOptions & { limit: number }): Promise<number> {
  return withTemporal(options, async ({ client }) => {
    const runs = (await latestRuns(client, { database, limit: options.limit })).map(rowOf);
    const head = ['RUN', 'WHAT', 'DATABASE', 'STATE', 'STARTED', 'TOOK'];
    const cells = runs.map((run) => [run.name, run.type, run.database, run.state, ageText(run.startedAtMs), durationText(run.tookMs)]);
    const lines = runs.length === 0 ? ['there are no runs'] : tableLines(head, cells);
    createOutput(options.json === true).result(lines, { runs });
    return 0;
  });
}

type Row = {
  name: string;
  workflowId: string;
  runId: string;
  type: string;
  database: string;
  state: string;
  startedAtMs: number;
  tookMs: number;
};

const OUTCOME = defineSearchAttributeKey(SEARCH_ATTRIBUTES.outcome, 'KEYWORD');
const DATABASE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.database, 'KEYWORD');

function rowOf(run: WorkflowExecutionInfo): Row {
  const { workflowId, runId, type, status, startTime, closeTime, typedSearchAttributes } = run;
  const outcome = typedSearchAttributes.get(OUTCOME);
  const database = typedSearchAttributes.get(DATABASE) ?? workflowId.split('/')[1] ?? '';
  const startedAtMs = startTime.getTime();
  return {
    name: shortName(run),
    workflowId,
    runId,
    type,
    database,
    state: status.name === 'COMPLETED' && outcome !== undefined ? outcome : status.name.toLowerCase(),
    startedAtMs,
    tookMs: (closeTime?.getTime() ?? Date.now()) - startedAtMs,
  };
}

/** Watches a run to its end. Returns the exit code. Fails: as the run does; invalid-input. */
export async function watchNamedRun(given: string, options: RunsOptions): Promise<number> {
  return withTemporal(options, async (temporal) => {
    const output = createOutput(options.json === true);
    const run = await findRun(temporal.client, given);
    output.note(`watching ${run.workflowId}`);
    output.note(`history: ${historyLink(temporal, run)}`);
    const end = await watchRun(temporal.client, temporal.client.workflow.getHandle(run.workflowId, run.runId), { output, isOwn: false });
    if (end.kind === 'detached') return tellDetached(output, run.workflowId);
    return tellResult(output, RESULT_LINES[run.type as WorkflowType] as ResultLines<CommonResult>, end.result);
  });
}

/** Asks a run to end. Returns the exit code. Fails: invalid-input. */
export async function cancelRun(given: string, options: RunsOptions): Promise<number> {
  return withTemporal(options, async ({ client }) => {
    const { workflowId, runId } = await findRun(client, given);
    await client.workflow.getHandle(workflowId, runId).cancel();
    const told = [
      `asked ${workflowId} to end; it cleans up first`,
      `\`rstow watch ${shortName({ workflowId, runId })}\` shows when it has ended`,
    ];
    createOutput(options.json === true).result(told, { workflowId, runId });
    return 0;
  });
}

async function withTemporal(options: TemporalOptions, work: (temporal: TemporalClient) => Promise<number>): Promise<number> {
  const temporal = await connectClient(options);
  try {
    return await work(temporal);
  } finally {
    await temporal.close();
  }
}
