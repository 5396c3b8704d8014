import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { createStateFile, readStateFile } from './state-file.ts';

const INSTALLATION_ID = /^[0-9a-f-]{36}$/;

/**
 * The random id of this installation, made once in the state directory: a rebuilt host and a returning old one are
 * told apart by it. Fails: agent-state-unsupported.
 */
export async function installationId(stateDir: string): Promise<string> {
  const path = join(stateDir, 'installation-id');
  try {
    // Two agents that start at once on a new state directory agree on the id of whichever was first.
    const known = await readStateFile(path);
    if (known === undefined) await createStateFile(path, `${randomUUID()}\n`);
    const id = (known ?? (await readStateFile(path)))?.trim() ?? '';
    if (INSTALLATION_ID.test(id)) return id;
  } catch (error) {
    if (error instanceof RstowError) throw error;
    throw new RstowError('agent-state-unsupported', `${path} can't be read or written`, { details: { path }, cause: error });
  }
  throw new RstowError('agent-state-unsupported', `${path} does not hold an installation id`, { details: { path } });
}
