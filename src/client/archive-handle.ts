import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { ArchivedExtents, ArchiveWanted } from '../contract/archive-wal.ts';
import {
  ARCHIVE_NOW_UPDATE,
  type Bandwidth,
  parseBandwidth,
  parsePause,
  type Pause,
  PAUSE_UPDATE,
  RESUME_UPDATE,
  SET_BANDWIDTH_UPDATE,
  WANTED_QUERY,
} from '../contract/messages.ts';
import { archiveWorkflowId } from '../contract/names.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { withRstowErrors } from './temporal.ts';

/** The continuous archive of one database. Each call fails with an `RstowError`: `temporal-unreachable`, `invalid-input` if none runs. */
export type ArchiveHandle = {
  readonly workflowId: string;
  /** Nothing is stored until it is resumed. What grows meanwhile is held by hard links, and stored then. */
  pause(pause: Pause): Promise<void>;
  resume(): Promise<void>;
  /** Stores what has come until now, and says how far the log is stored. Fails: as the look does, such as agent-unreachable. */
  archiveNow(): Promise<ArchivedExtents>;
  setBandwidth(bandwidth: Bandwidth): Promise<void>;
  /** How it is wanted now. */
  wanted(): Promise<ArchiveWanted>;
};

export function archiveHandle(client: Client, database: string): ArchiveHandle {
  const workflowId = archiveWorkflowId(database);
  const run = client.workflow.getHandle(workflowId);
  const ask = <Answer>(question: () => Promise<Answer>): Promise<Answer> =>
    withRstowErrors(() =>
      question().catch((error: unknown) => {
        throw error instanceof WorkflowNotFoundError ? noArchive(database, error) : error;
      }),
    );
  return {
    workflowId,
    pause: (pause) => ask(async () => run.executeUpdate(PAUSE_UPDATE, { args: [parsePause(pause)] })),
    resume: () => ask(() => run.executeUpdate(RESUME_UPDATE)),
    archiveNow: () => ask(() => run.executeUpdate<ArchivedExtents, []>(ARCHIVE_NOW_UPDATE)),
    setBandwidth: (bandwidth) => ask(async () => run.executeUpdate(SET_BANDWIDTH_UPDATE, { args: [parseBandwidth(bandwidth)] })),
    wanted: () => ask(() => run.query<ArchiveWanted>(WANTED_QUERY)),
  };
}

function noArchive(database: string, cause: WorkflowNotFoundError): RstowError {
  const hint = `The agent that owns it keeps one running, unless databases.${database}.archive.enabled is false in its config file.`;
  return new RstowError('invalid-input', `no archive of "${database}" runs`, { hint, cause });
}
