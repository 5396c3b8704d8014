import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { assert } from '../../core/errors/rstow-error.ts';
import { unlessAbsent } from '../files/errno.ts';
import { createStateFile, readStateFile } from './state-file.ts';
import { type Grant, grantSchema } from '../../formats/agent-state.ts';

const RUN_ID = /^[A-Za-z0-9-]{1,64}$/;
const NOTES_FOLDER = 'runs';
const SCRATCH_FOLDER = 'scratch';

/** Ids of runs that Temporal knows nothing of begin so. */
const LOCAL_PREFIX = 'local-';

/**
 * Keeps which workflow a run belongs to, before anything of the run's own comes to lie on the disk: with both, Temporal
 * can be asked for the run itself, and not only what its list of runs knows by now. A state directory that is full
 * keeps no run from its work. Twice: no-op.
 */
export async function noteRun(stateDir: string, { workflowId, runId }: { workflowId: string; runId: string }): Promise<void> {
  // A run without Temporal is called by its own id.
  if (workflowId === runId) return;
  await createStateFile(notePath(stateDir, runId), workflowId).catch(() => undefined);
}

/** The workflow of a run; undefined if nothing was noted. */
export async function notedWorkflow(stateDir: string, runId: string): Promise<string | undefined> {
  const workflowId = RUN_ID.test(runId) ? await readStateFile(notePath(stateDir, runId)) : undefined;
  return workflowId === '' ? undefined : workflowId;
}

export async function notedRuns(stateDir: string): Promise<string[]> {
  return runsIn(join(stateDir, NOTES_FOLDER));
}

/** What else lies there, a person has put there. */
async function runsIn(folder: string): Promise<string[]> {
  return ((await unlessAbsent(readdir(folder))) ?? []).filter((name) => RUN_ID.test(name));
}

/** Twice: no-op. */
export async function removeRunNote(stateDir: string, runId: string): Promise<void> {
  await rm(notePath(stateDir, runId), { force: true });
}

function notePath(stateDir: string, runId: string): string {
  assert(RUN_ID.test(runId), 'a run id is one harmless part of a path');
  return join(stateDir, NOTES_FOLDER, runId);
}

/** Makes the run's own folder for what it only reads. Twice: the same folder, with what is in it. */
export async function makeScratch(stateDir: string, runId: string): Promise<string> {
  const path = scratchPath(stateDir, runId);
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}

/** The runs that have left such a folder. */
export async function scratchRuns(stateDir: string): Promise<string[]> {
  return runsIn(join(stateDir, SCRATCH_FOLDER));
}

/** Twice: no-op. */
export async function removeScratch(stateDir: string, runId: string): Promise<void> {
  await rm(scratchPath(stateDir, runId), { recursive: true, force: true });
}

export function scratchPath(stateDir: string, runId: string): string {
  assert(RUN_ID.test(runId), 'a run id is one harmless part of a path');
  return join(stateDir, SCRATCH_FOLDER, runId);
}

/** What a run leaves elsewhere than in a data directory, where nobody would look for it: by name. */
type NotesElsewhere = {
  /** Before it comes to be. Twice: no-op. */
  add(stateDir: string, runId: string, name: string): Promise<void>;
  /** `path`: of the note. */
  list(stateDir: string): Promise<{ runId: string; name: string; path: string }[]>;
  /** When it is gone, or kept. Twice: no-op. */
  remove(stateDir: string, runId: string): Promise<void>;
};

/** Datasets that runs have begun to receive. */
export const receivedVolumes = notesElsewhere('volumes');

/** Temporary files beside the archives that runs write. */
export const unfinishedExports = notesElsewhere('exports');

function notesElsewhere(folder: string): NotesElsewhere {
  const pathOf = (stateDir: string, runId: string): string => {
    assert(RUN_ID.test(runId), 'a run id is one harmless part of a path');
    return join(stateDir, folder, runId);
  };
  return {
    add: async (stateDir, runId, name) => {
      await createStateFile(pathOf(stateDir, runId), name);
    },
    list: async (stateDir) => {
      const notes = [];
      for (const runId of await runsIn(join(stateDir, folder))) {
        const path = pathOf(stateDir, runId);
        const name = await readStateFile(path);
        if (name !== undefined) notes.push({ runId, name, path });
      }
      return notes;
    },
    remove: (stateDir, runId) => rm(pathOf(stateDir, runId), { force: true }),
  };
}

export const newLocalRunId = (): string => `${LOCAL_PREFIX}${randomUUID()}`;

export const isLocalRunId = (runId: string): boolean => runId.startsWith(LOCAL_PREFIX);

/** Held while the run is at work, so that nobody clears its files; the kernel frees it whatever ends the process. */
export const localRunMutexName = (runId: string): string => `run/${runId}`;

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
  for (const name of (await unlessAbsent(readdir(folder))) ?? []) {
    if (!name.endsWith('.json')) continue;
    grants.push(grantSchema.parse(JSON.parse((await readStateFile(join(folder, name))) ?? '')));
  }
  return grants;
}

/** Removes the grants of runs that were signed longer ago: a run that is started again after that is signed again. Twice: no-op. */
export async function clearGrants(stateDir: string, before: Date): Promise<void> {
  const folder = join(stateDir, GRANTS_FOLDER);
  for (const firstRunId of (await unlessAbsent(readdir(folder))) ?? []) {
    const path = join(folder, firstRunId);
    if ((await stat(path)).mtime < before) await rm(path, { recursive: true });
  }
}

function grantsFolder(stateDir: string, firstRunId: string): string {
  assert(UUID.test(firstRunId), 'a run has a UUID');
  return join(stateDir, GRANTS_FOLDER, firstRunId);
}
