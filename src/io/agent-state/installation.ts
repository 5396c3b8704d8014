import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readStateFile, replaceStateFile } from './state-file.ts';

const INSTALLATION_ID = /^[0-9a-f-]{36}$/;

/**
 * The random id of this installation, made once in the state directory: a rebuilt host and a returning old one are
 * told apart by it. Fails: agent-state-unsupported.
 */
export async function installationId(stateDir: string): Promise<string> {
  const path = join(stateDir, 'installation-id');
  try {
    const known = (await readStateFile(path))?.trim();
    if (known !== undefined && INSTALLATION_ID.test(known)) return known;
    const made = randomUUID();
    await replaceStateFile(path, `${made}\n`);
    return made;
  } catch (error) {
    throw new RstowError('agent-state-unsupported', `${path} can't be read or written`, { details: { path }, cause: error });
  }
}
