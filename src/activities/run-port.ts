import { cancellationSignal, Context, heartbeat } from '@temporalio/activity';
import type { RunRegistry } from './run-registry.ts';

/**
 * What an activity needs of the run that it works for. It is a port so that the same code runs
 * without Temporal.
 */
export type RunPort = {
  readonly workflowId: string;
  readonly runId: string;
  /** Aborted when the run is cancelled, terminated, another attempt has taken over, or this agent shuts down. */
  readonly signal: AbortSignal;
  /** Facts for the operator, seen in the UI while the activity runs; never the only record of anything. */
  report(details: Record<string, string | number>): void;
  /** Before an irreversible step. Fails: cancelled (the run is closed), temporal-unreachable. */
  checkOpen(): Promise<void>;
};

/** The run of the activity that calls this. Heartbeats go on by themselves until `stop`. */
export function currentRun(runs: RunRegistry, heartbeatMs: number, overtaken: AbortSignal): RunPort & { stop(): void } {
  const { workflowExecution } = Context.current().info;
  const { workflowId, runId } = workflowExecution ?? { workflowId: '', runId: '' };
  let details: Record<string, string | number> = {};
  const ticker = setInterval(() => heartbeat(details), Math.max(100, heartbeatMs / 3));
  return {
    workflowId,
    runId,
    signal: AbortSignal.any([cancellationSignal(), overtaken]),
    report: (facts) => {
      details = facts;
      heartbeat(details);
    },
    checkOpen: () => runs.checkOpen(workflowId, runId),
    stop: () => clearInterval(ticker),
  };
}

/** Names the step of the run that calls this, the same in each of its attempts. */
export function currentStep(): string {
  const { activityId, activityType, workflowExecution } = Context.current().info;
  return `${workflowExecution?.runId ?? ''}/${activityType}/${activityId}`;
}
