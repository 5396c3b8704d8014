import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder of the running test; it is removed with everything in it. */
export async function scratchFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'rstow-data-directory-'));
  onTestFinished(async () => rm(path, { recursive: true, force: true }));
  return path;
}
