import { join } from 'node:path';
import type { AgentConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { liesIn } from '../io/files/real-place.ts';
import { errnoOf } from '../io/files/errno.ts';

/**
 * Refuses a repository in a data directory, with which it would be replaced, and one around it. The config's text was
 * compared when it was read; here links and mounts are followed, which can hang with the repository's disk.
 * Fails: invalid-config.
 */
export async function requireSeparate(path: string, databases: AgentConfig['databases']): Promise<void> {
  for (const { dataDir } of Object.values(databases)) {
    // wal/ may be a link to another disk.
    for (const folder of [dataDir, join(dataDir, 'wal')]) {
      if (!(await isEntangled(path, folder))) continue;
      const sentence = `the repository ${path} lies in or around ${folder}: it must lie outside of the data directory, and not around it`;
      throw new RstowError('invalid-config', sentence, { details: { path, folder } });
    }
  }
}

/** What can't be looked at is named by whoever opens it. */
async function isEntangled(path: string, folder: string): Promise<boolean> {
  try {
    return (await liesIn(path, folder)) || (await liesIn(folder, path));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}
