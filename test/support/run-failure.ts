/** How a run failed, as any client of Temporal sees it. */
import { ApplicationFailure, WorkflowFailedError } from '@temporalio/client';

export type RunFailure = { code: string; sentence: string; details: Record<string, unknown> };

/** Throws where the run did not fail by itself. */
export async function failureOfRun(run: Promise<unknown>): Promise<RunFailure> {
  try {
    const result = await run;
    throw new Error(`the run has not failed: ${JSON.stringify(result)}`);
  } catch (error) {
    if (!(error instanceof WorkflowFailedError) || !(error.cause instanceof ApplicationFailure)) throw error;
    const { type, message, details } = error.cause;
    return { code: type ?? '', sentence: message, details: (details?.[0] ?? {}) as Record<string, unknown> };
  }
}
