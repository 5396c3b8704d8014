import type { CommonResult } from '../contract/result.ts';
import type { WorkflowType } from '../contract/workflow-types.ts';
import { shortName } from '../client/rstow-client.ts';
import { tellDetached } from './execute-run.ts';
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
  return withTemporal(options, async ({ rstow }) => {
    const runs = await rstow.runs({ database, limit: options.limit });
    const head = ['RUN', 'WHAT', 'DATABASE', 'STATE', 'STARTED', 'TOOK'];
    const cells = runs.map((run) => [run.name, run.type, run.database, run.state, ageText(run.startedAtMs), durationText(run.tookMs)]);
    const lines = runs.length === 0 ? ['there are no runs'] : tableLines(head, cells);
    createOutput(options.json === true).result(lines, { runs });
    return 0;
  });
}

/** Watches a run to its end. Returns the exit code. Fails: as the run does; invalid-input. */
export async function watchNamedRun(given: string, options: RunsOptions): Promise<number> {
  return withTemporal(options, async (temporal) => {
    const output = createOutput(options.json === true);
    const run = await temporal.rstow.findRun(given);
    output.note(`watching ${run.workflowId}`);
    output.note(`history: ${historyLink(temporal, run)}`);
    const end = await watchRun(temporal.rstow.run(run.workflowId, run.runId), { output, isOwn: false });
    if (end.kind === 'detached') return tellDetached(output, run.workflowId);
    return tellResult(output, RESULT_LINES[run.type as WorkflowType] as ResultLines<CommonResult>, end.result);
  });
}

/** Asks a run to end. Returns the exit code. Fails: invalid-input. */
export async function cancelRun(given: string, options: RunsOptions): Promise<number> {
  return withTemporal(options, async ({ rstow }) => {
    const { workflowId, runId } = await rstow.findRun(given);
    await rstow.run(workflowId, runId).cancel();
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
    await temporal.rstow.close();
  }
}
