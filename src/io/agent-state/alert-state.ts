import { join } from 'node:path';
import { type AlertState, alertStateSchema } from '../../formats/alerts.ts';
import { readStateFile, replaceStateFile } from './state-file.ts';

type AlertStateId = { stateDir: string; database: string };

/** Empty if nothing was kept, or it can't be read: then people are told once more. */
export async function readAlertState(id: AlertStateId): Promise<AlertState> {
  try {
    return alertStateSchema.parse(JSON.parse((await readStateFile(pathOf(id))) ?? 'null'));
  } catch {
    return { format: 1, incidents: [], outbox: [] };
  }
}

/** Fails: agent-state-unsupported. Twice: the later one counts. */
export async function writeAlertState(id: AlertStateId, state: AlertState): Promise<void> {
  await replaceStateFile(pathOf(id), `${JSON.stringify(state)}\n`);
}

function pathOf({ stateDir, database }: AlertStateId): string {
  return join(stateDir, database, 'alerts.json');
}
