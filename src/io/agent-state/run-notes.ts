import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../core/errors/assert.ts';
import { createStateFile, readStateFile } from './state-file.ts';

const RUN_ID = /^[A-Za-z0-9-]{1,64}$/;
const FOLDER = 'runs';

/**
 * Keeps which workflow a run belongs to, before anything of the run's own comes to lie on the disk: with both, Temporal
 * can be asked for the run itself, and not only what its list of runs knows by now. A state directory that is full
 * keeps no run from its work. Twice: no-op.
 */
export async function noteRun(stateDir: string, { workflowId, runId }: { workflowId: string; runId: string }): Promise<void> {
  // A run without Temporal is called by its own id.
  if (workflowId === runId) return;
  await createStateFile(pathOf(stateDir, runId), workflowId).catch(() => undefined);
}

/** The workflow of a run; undefined where nothing was noted. */
export async function notedWorkflow(stateDir: string, runId: string): Promise<string | undefined> {
  const workflowId = RUN_ID.test(runId) ? await readStateFile(pathOf(stateDir, runId)) : undefined;
  return workflowId === '' ? undefined : workflowId;
}

export async function notedRuns(stateDir: string): Promise<string[]> {
  try {
    return (await readdir(join(stateDir, FOLDER))).filter((name) => RUN_ID.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Twice: no-op. */
export async function removeRunNote(stateDir: string, runId: string): Promise<void> {
  await rm(pathOf(stateDir, runId), { force: true });
}

function pathOf(stateDir: string, runId: string): string {
  assert(RUN_ID.test(runId), 'a run id is one harmless part of a path');
  return join(stateDir, FOLDER, runId);
}
