import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Grant, grantSchema } from '../../formats/agent-state.ts';
import { assert } from '../../core/errors/rstow-error.ts';
import { createStateFile, readStateFile } from './state-file.ts';

const UUID = /^[0-9a-f-]{36}$/;
const GRANTS_FOLDER = 'grants';

/** Keeps that an operator has signed for a run; `firstRunId` stands for the run and all that continue it. Twice: no-op. */
export async function addGrant(stateDir: string, firstRunId: string, grant: Grant): Promise<void> {
  assert(UUID.test(grant.nonce), 'a nonce is a UUID');
  await createStateFile(join(grantsFolder(stateDir, firstRunId), `${grant.nonce}.json`), `${JSON.stringify(grantSchema.parse(grant))}\n`);
}

export async function readGrants(stateDir: string, firstRunId: string): Promise<Grant[]> {
  const folder = grantsFolder(stateDir, firstRunId);
  const grants: Grant[] = [];
  for (const name of await namesIn(folder)) {
    if (!name.endsWith('.json')) continue;
    grants.push(grantSchema.parse(JSON.parse((await readStateFile(join(folder, name))) ?? '')));
  }
  return grants;
}

/** Removes the grants of runs that were signed longer ago: a run that is started again after that is signed again. Twice: no-op. */
export async function clearGrants(stateDir: string, before: Date): Promise<void> {
  const folder = join(stateDir, GRANTS_FOLDER);
  for (const firstRunId of await namesIn(folder)) {
    const path = join(folder, firstRunId);
    if ((await stat(path)).mtime < before) await rm(path, { recursive: true });
  }
}

function grantsFolder(stateDir: string, firstRunId: string): string {
  assert(UUID.test(firstRunId), 'a run has a UUID');
  return join(stateDir, GRANTS_FOLDER, firstRunId);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
