import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { DataSet } from '../generator/data-set.ts';
import type { Costs } from '../measure/cost.ts';

const PIPELINE_MAIN = fileURLToPath(new URL('../pipeline/pipeline-main.ts', import.meta.url));
const run = promisify(execFile);

/** As bin/rstow starts an agent. */
const NODE_ARGS = ['--max-semi-space-size=4'];

/** All steps of rstow's own activities once, without Temporal, in a process of their own. `cipher`: of the repository. */
export async function pipelineRound(data: DataSet, parentDir: string, cipher?: 'age'): Promise<Costs> {
  const workDir = await mkdtemp(join(parentDir, 'round-'));
  try {
    const { stdout } = await run(process.execPath, [
      ...NODE_ARGS,
      PIPELINE_MAIN,
      JSON.stringify(data),
      workDir,
      ...(cipher === undefined ? [] : [cipher]),
    ]);
    return JSON.parse(stdout) as Costs;
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}
