import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Grant, grantSchema } from '../../formats/agent-state.ts';
import { assert } from '../../core/errors/rstow-error.ts';
import { createStateFile, readStateFile } from './state-file.ts';

const ID = /^[0-9a-f-]{36}$/;
const FOLDER = 'grants';

/** Keeps that an operator has signed for a run; `firstRunId` stands for the run and all that continue it. Twice: no-op. */
export async function addGrant(stateDir: string, firstRunId: string, grant: Grant): Promise<void> {
  assert(ID.test(grant.nonce), 'a nonce is a UUID');
  await createStateFile(join(folderOf(stateDir, firstRunId), `${grant.nonce}.json`), `${JSON.stringify(grantSchema.parse(grant))}\n`);
}

export async function readGrants(stateDir: string, firstRunId: string): Promise<Grant[]> {
  const folder = folderOf(stateDir, firstRunId);
  const grants: Grant[] = [];
  for (const name of await namesIn(folder)) {
    if (!name.endsWith('.json')) continue;
    grants.push(grantSchema.parse(JSON.parse((await readStateFile(join(folder, name))) ?? '')));
  }
  return grants;
}

/** Removes the grants of runs that were signed longer ago: a run that is started again after that is signed again. Twice: no-op. */
export async function clearGrants(stateDir: string, before: Date): Promise<void> {
  const folder = join(stateDir, FOLDER);
  for (const firstRunId of await namesIn(folder)) {
    const path = join(folder, firstRunId);
    if ((await stat(path)).mtime < before) await rm(path, { recursive: true });
  }
}

function folderOf(stateDir: string, firstRunId: string): string {
  assert(ID.test(firstRunId), 'a run has a UUID');
  return join(stateDir, FOLDER, firstRunId);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
