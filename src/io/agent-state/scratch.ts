import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../core/errors/assert.ts';

const RUN_ID = /^[A-Za-z0-9-]{1,64}$/;

/** Makes the run's own folder for what it only looks at. Twice: the same folder, with what is in it. */
export async function makeScratch(stateDir: string, runId: string): Promise<string> {
  const path = scratchPath(stateDir, runId);
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}

/** Twice: no-op. */
export async function removeScratch(stateDir: string, runId: string): Promise<void> {
  await rm(scratchPath(stateDir, runId), { recursive: true, force: true });
}

function scratchPath(stateDir: string, runId: string): string {
  assert(RUN_ID.test(runId), 'a run id is one harmless part of a path');
  return join(stateDir, 'scratch', runId);
}
