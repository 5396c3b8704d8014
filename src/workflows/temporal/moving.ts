/** A run whose host has agents of another contract goes on there: it begins again, and is handed over before it does anything. */
import { makeContinueAsNewFunc, proxyLocalActivities, workflowInfo } from '@temporalio/workflow';
import { CONTRACT_NUMBER, type MoveRun } from '../../contract/names.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';

/** Memo: the contract that the run is to go on with. A run moves once. */
const CONTRACT_MEMO = 'rstowContract';

const { moveRun } = proxyLocalActivities<{ moveRun: MoveRun }>({ startToCloseTimeout: '10s', retry: { maximumAttempts: 3 } });

/** The first thing that a run does. Fails: agent-version-unsupported. */
export async function handOverIfWanted(): Promise<void> {
  const { memo, workflowId, runId } = workflowInfo();
  const contract = memo?.[CONTRACT_MEMO];
  if (typeof contract !== 'number' || contract === CONTRACT_NUMBER) return;
  const sentence = `the run could not be given to agents of contract ${contract}; this one has contract ${CONTRACT_NUMBER}`;
  try {
    await moveRun({ workflowId, runId, contract });
  } catch (cause) {
    throw new RstowError('agent-version-unsupported', sentence, { details: { contract }, cause });
  }
  // Temporal drops what this task comes to.
  throw new RstowError('agent-version-unsupported', sentence, { details: { contract } });
}

/** Begins again for the contract of the agent that was met, if that is why the run fails; else returns. */
export async function moveIfRefused(error: unknown, args: readonly unknown[]): Promise<void> {
  if (!(error instanceof RstowError) || error.code !== 'agent-version-unsupported') return;
  const { memo } = workflowInfo();
  const contract = error.details['contract'];
  if (typeof contract !== 'number' || memo?.[CONTRACT_MEMO] !== undefined) return;
  await makeContinueAsNewFunc<(...args: unknown[]) => Promise<unknown>>({ memo: { ...memo, [CONTRACT_MEMO]: contract } })(...args);
}
