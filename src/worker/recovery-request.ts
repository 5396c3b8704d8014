import { Client } from '@temporalio/client';
import { rstowClient } from '../client/rstow-client.ts';
import type { DisasterRecoveryInput } from '../contract/disaster-recovery.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { OperatorKey } from './operator-key.ts';
import type { TemporalConnection } from './temporal-connection.ts';

export type RecoveryRequest = { database: string; workflowId: string; runId: string };
export type RecoveryRequester = (input: DisasterRecoveryInput) => Promise<RecoveryRequest>;

const REQUEST_MS = 10_000;

/**
 * Asks for a database's recovery: many requests are one run. Whoever calls has proved who they are: signed with the agent's
 * own key if it has one. Fails: temporal-unreachable. Twice: the same run, as long as it is open.
 */
export function recoveryRequester({ connection, namespace }: TemporalConnection, signer: OperatorKey | undefined): RecoveryRequester {
  const rstow = rstowClient(new Client({ connection, namespace }));
  return async (input) => {
    const { database } = input;
    try {
      const start = (): ReturnType<typeof rstow.start> => rstow.start('disasterRecovery', input, { signer });
      const { workflowId, runId } = await connection.withDeadline(Date.now() + REQUEST_MS, start);
      return { database, workflowId, runId };
    } catch (cause) {
      throw new RstowError('temporal-unreachable', `the recovery of "${database}" could not be asked for`, { cause });
    }
  };
}
