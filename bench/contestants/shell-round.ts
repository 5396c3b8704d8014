import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataSet } from '../generator/data-set.ts';
import { growPlaced, placeBase } from '../generator/placed-data.ts';
import { childCost } from '../measure/child-cost.ts';
import { type Costs, type Step, STEPS } from '../measure/cost.ts';
import { storedBytes } from '../measure/stored-bytes.ts';
import type { ShellContestant } from './shell-contestants.ts';

const BACKUP_STEPS: readonly Step[] = ['full', 'unchanged', 'grown'];

/** All steps of one contestant once, from an empty store on. */
export async function shellRound(contestant: ShellContestant, data: DataSet, parentDir: string): Promise<Costs> {
  const workDir = await mkdtemp(join(parentDir, 'round-'));
  const [dataDir, storeDir, outDir] = ['data', 'store', 'out'].map((name) => join(workDir, name)) as [string, string, string];
  const env = { DATA: dataDir, STORE: storeDir, OUT: outDir, ...resticEnvironment(workDir, storeDir) };
  const measure = (script: string) => childCost(script, { env, reportDir: workDir });
  try {
    await mkdir(storeDir);
    await placeBase(data, dataDir);
    if (contestant.prepare !== undefined) await measure(contestant.prepare);
    const costs: Costs = {};
    for (const step of STEPS) {
      if (step === 'grown') await growPlaced(data, dataDir);
      const script = contestant.steps[step];
      if (script === undefined) continue;
      const cost = await measure(script);
      costs[step] = BACKUP_STEPS.includes(step) ? { ...cost, storedBytes: await storedBytes(storeDir) } : cost;
    }
    return costs;
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

/** No secret: the bench's stores live for minutes. */
function resticEnvironment(workDir: string, storeDir: string): Record<string, string> {
  return { RESTIC_REPOSITORY: storeDir, RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: join(workDir, 'cache') };
}
