import { log, setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { Place } from '../../activities/catalogue/locate.ts';
import { lockWorkflowId, SEARCH_ATTRIBUTES } from '../../contract/names.ts';
import type { Progress } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';

/** One run of a workflow, as all parts of its engine know it. */
export type Run = {
  readonly type: string;
  /** As its parser gave it. */
  readonly input: { database: string };
  readonly database: string;
  readonly runId: string;
  readonly workflowId: string;
  readonly startedAtMs: number;
  progress: Progress;
  /** From here on data are replaced: a denial comes too late. */
  isCommitted: boolean;
  /** Names the phase in the UI, the query `progress`, and the log. */
  phase(phase: string, waitsFor?: string): void;
  /** Upserts nothing until `placed` has said that the namespace has rstow's attributes. */
  attribute(name: string, value: string): void;
  placed(place: Place): void;
};

export function startRun(type: string, input: { database: string }): Run {
  const { database } = input;
  const { runId, workflowId, startTime } = workflowInfo();
  refuseLockId(workflowId);
  let searchAttributes = false;
  const run: Run = {
    type,
    input,
    database,
    runId,
    workflowId,
    startedAtMs: startTime.getTime(),
    progress: { phase: 'starting', sinceMs: Date.now() },
    isCommitted: false,
    phase: (phase, waitsFor) => {
      run.progress = { phase, sinceMs: Date.now(), waitsFor };
      setCurrentDetails(detailsOf(run));
      log.info(phase, { database });
    },
    attribute: (name, value) => {
      if (searchAttributes) upsertSearchAttributes({ [name]: [value] });
    },
    placed: (place) => {
      searchAttributes = place.searchAttributes;
      run.attribute(SEARCH_ATTRIBUTES.database, database);
      run.attribute(SEARCH_ATTRIBUTES.operation, type);
    },
  };
  return run;
}

/** Under a lock's own id a run would wait for itself. Fails: invalid-input. */
function refuseLockId(workflowId: string): void {
  if (!workflowId.startsWith(lockWorkflowId(''))) return;
  throw new RstowError('invalid-input', `workflow id "${workflowId}" is that of a database's lock: start the run under another id`);
}

/** Markdown for the UI: the phase, what it waits for, and how to watch it from a shell. */
function detailsOf(run: Run): string {
  const { phase, waitsFor } = run.progress;
  const lines = [`**${run.type}** of \`${run.database}\`: ${phase}`];
  if (waitsFor !== undefined) lines.push(`waits for ${waitsFor}`);
  lines.push(`watch: \`rstow watch ${run.workflowId}\`; end: \`rstow cancel ${run.workflowId}\``);
  return lines.join('\n\n');
}
