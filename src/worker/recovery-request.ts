import { Client } from '@temporalio/client';
import type { DisasterRecoveryInput } from '../contract/disaster-recovery.ts';
import { REQUEST_RECOVERY_SIGNAL } from '../contract/messages.ts';
import { recoveryWorkflowId, WORKFLOW_QUEUE } from '../contract/names.ts';
import { SIGNATURE_MEMO } from '../contract/signature.ts';
import type { WorkflowType } from '../contract/workflow-types.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { OperatorKey } from './operator-key.ts';
import type { TemporalConnection } from './temporal-connection.ts';

export type RecoveryRequest = { database: string; workflowId: string; runId: string };
export type RecoveryRequester = (input: DisasterRecoveryInput) => Promise<RecoveryRequest>;

const TYPE: WorkflowType = 'disasterRecovery';
const REQUEST_MS = 10_000;

/**
 * Asks for a database's recovery: many requests are one run. Whoever calls has proved who they are: signed with the agent's
 * own key if it has one. Fails: temporal-unreachable. Twice: the same run, as long as it is open.
 */
export function recoveryRequester({ connection, namespace }: TemporalConnection, key: OperatorKey | undefined): RecoveryRequester {
  const { workflow } = new Client({ connection, namespace });
  return async (input) => {
    const { database } = input;
    const workflowId = recoveryWorkflowId(database);
    const options = {
      ...{ workflowId, taskQueue: WORKFLOW_QUEUE, staticSummary: `${TYPE} of ${database}` },
      ...{ args: [input], signal: REQUEST_RECOVERY_SIGNAL, signalArgs: [input] },
      ...(key === undefined
        ? {}
        : { memo: { [SIGNATURE_MEMO]: key.sign({ purpose: 'start', workflowType: TYPE, workflowId, input }, Date.now()) } }),
    };
    try {
      const handle = await connection.withDeadline(Date.now() + REQUEST_MS, () => workflow.signalWithStart(TYPE, options));
      return { database, workflowId, runId: handle.signaledRunId };
    } catch (cause) {
      throw new RstowError('temporal-unreachable', `the recovery of "${database}" could not be asked for`, { cause });
    }
  };
}
