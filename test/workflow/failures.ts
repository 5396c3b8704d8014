import { ApplicationFailure, type WorkflowHandle, WorkflowFailedError } from '@temporalio/client';

/** The run's own failure: its message and its type. Throws where the run did not fail by itself. */
export async function failureOf(run: Promise<unknown>): Promise<ApplicationFailure> {
  try {
    await run;
  } catch (error) {
    if (error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure) return error.cause;
    throw error;
  }
  throw new Error('the run has not failed');
}

export async function statusOf(handle: WorkflowHandle): Promise<string> {
  return (await handle.describe()).status.name;
}
