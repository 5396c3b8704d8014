import { join } from 'node:path';
import { type EmbeddedTemporalState, embeddedTemporalStateSchema } from '../formats/agent-state/embedded-temporal.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { readStateFile, replaceStateFile } from '../io/agent-state/state-file.ts';

/** Undefined before the first start. Fails: agent-state-unsupported. */
export async function readTemporalState(folder: string): Promise<EmbeddedTemporalState | undefined> {
  const path = stateFile(folder);
  const text = await readStateFile(path);
  if (text === undefined) return undefined;
  try {
    return embeddedTemporalStateSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new RstowError('agent-state-unsupported', `${path} is not what rstow wrote`, { details: { path }, cause });
  }
}

/** Twice: the later one stands. */
export async function writeTemporalState(folder: string, state: EmbeddedTemporalState): Promise<void> {
  await replaceStateFile(stateFile(folder), `${JSON.stringify(state)}\n`);
}

function stateFile(folder: string): string {
  return join(folder, 'server.json');
}
