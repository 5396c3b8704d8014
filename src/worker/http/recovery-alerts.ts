import { type AlertmanagerWebhook, alertmanagerWebhookSchema } from '../../config/agent.ts';
import { type DisasterRecoveryInput, parseDisasterRecoveryInput } from '../../contract/disaster-recovery.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';

export type AlertRequests = { inputs: DisasterRecoveryInput[]; refused: { database: string; reason: string }[] };

const DATABASE_LABEL = 'rstow_database';
const REASON_LENGTH_MAX = 1000;

/** What the firing alerts of a post ask for, one request a database; undefined where it is none of Alertmanager's. */
export function requestsOf(text: string): AlertRequests | undefined {
  const webhook = parseWebhook(text);
  if (webhook === undefined) return undefined;
  const requests: AlertRequests = { inputs: [], refused: [] };
  for (const [database, alertNames] of firingByDatabase(webhook)) {
    const reason = [...alertNames].join(', ').slice(0, REASON_LENGTH_MAX);
    try {
      requests.inputs.push(parseDisasterRecoveryInput([{ database, requestedBy: 'alertmanager', reason }]));
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
      requests.refused.push({ database, reason: error.message });
    }
  }
  return requests;
}

function parseWebhook(text: string): AlertmanagerWebhook | undefined {
  try {
    return alertmanagerWebhookSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function firingByDatabase({ alerts }: AlertmanagerWebhook): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>();
  for (const { status, labels } of alerts) {
    const database = labels[DATABASE_LABEL];
    if (status !== 'firing' || database === undefined) continue;
    names.set(database, (names.get(database) ?? new Set()).add(labels['alertname'] ?? 'unnamed alert'));
  }
  return names;
}
