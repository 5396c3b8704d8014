import { Client, ScheduleNotFoundError, WorkflowFailedError } from '@temporalio/client';
import type { BackupWatch } from '../../activities/activity-deps.ts';
import type { EndedBackup } from '../../contract/describe-database.ts';
import { backupScheduleId, SEARCH_ATTRIBUTES } from '../../contract/names.ts';
import type { ScheduleFacts } from '../../core/protection/verdict.ts';
import { rethrowUnreachable } from './run-registry.ts';
import type { TemporalConnection } from './connection.ts';

const REQUEST_MS = 10_000;

/** Asks the agent's Temporal. `hasAttributes`: whether runs can be found by their database. */
export function createBackupWatch({ connection, namespace }: TemporalConnection, hasAttributes: boolean): BackupWatch {
  const client = new Client({ connection, namespace });
  const ask = <T>(question: () => Promise<T>): Promise<T> => connection.withDeadline(Date.now() + REQUEST_MS, question);
  return {
    schedule: (database) => ask(() => scheduleFacts(client, database)).catch(rethrowUnreachable),
    lastEnded: async (database) => (hasAttributes ? ask(() => lastEnded(client, database)).catch(rethrowUnreachable) : undefined),
  };
}

async function scheduleFacts({ schedule }: Client, database: string): Promise<ScheduleFacts | undefined> {
  const id = backupScheduleId(database);
  try {
    const { spec, state, info } = await schedule.getHandle(id).describe();
    const [interval] = spec.intervals ?? [];
    const next = info.nextActionTimes[0];
    return {
      id,
      isPaused: state.paused,
      everyMs: interval?.every,
      nextAtMs: next?.getTime(),
    };
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

/** One that was terminated or cancelled was ended on purpose, and says nothing. */
async function lastEnded({ workflow }: Client, database: string): Promise<EndedBackup | undefined> {
  const ended = `ExecutionStatus IN ('Completed', 'Failed', 'TimedOut')`;
  const query = `WorkflowType = 'hotBackup' AND ${SEARCH_ATTRIBUTES.database} = '${database}' AND ${ended}`;
  let newest: EndedBackup | undefined;
  for await (const { workflowId, runId, closeTime, status } of workflow.list({ query, pageSize: 1 })) {
    newest = { workflowId, endedAtMs: closeTime?.getTime() ?? 0 };
    return status.name === 'COMPLETED' ? newest : { ...newest, failure: await failureOf(workflow.getHandle(workflowId, runId).result()) };
  }
  return newest;
}

async function failureOf(result: Promise<unknown>): Promise<NonNullable<EndedBackup['failure']>> {
  try {
    await result;
    return { code: 'failed', sentence: 'it did not come to its end' };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const { type, message = '' } = (error.cause ?? {}) as { type?: string; message?: string };
    const code = type ?? 'failed';
    return { code, sentence: message.replace(`${code}: `, '') };
  }
}
