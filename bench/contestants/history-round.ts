import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { type Extent, makeWalOffset } from '../../src/core/wal/wal-offset.ts';
import { type DataSet, sizeOf } from '../generator/data-set.ts';
import { growPlaced, placeBase } from '../generator/placed-data.ts';
import { childCost } from '../measure/child-cost.ts';
import type { Costs } from '../measure/cost.ts';
import { benchConfig, benchDeps, claimDatabase, DATABASE } from '../pipeline/bench-agent.ts';
import { backUp, foldersOf } from '../pipeline/pipeline-steps.ts';

const run = promisify(execFile);
const RSTOW = fileURLToPath(new URL('../../bin/rstow', import.meta.url));

/** What reading a stored history costs, by the commands as a person types them, their start included. */
export async function historyRound(data: DataSet, parentDir: string): Promise<Costs> {
  const workDir = await mkdtemp(join(parentDir, 'round-'));
  const configFile = join(workDir, 'rstow.yaml');
  const measure = (args: string) =>
    childCost(`"$RSTOW" ${args} --config "$CONFIG" > "$OUT"`, {
      env: { RSTOW, CONFIG: configFile, OUT: join(workDir, 'out') },
      reportDir: workDir,
    });
  try {
    await storeTwice(data, workDir);
    await writeFile(configFile, stringify(benchConfig(foldersOf(workDir))));
    return {
      log: await measure(`log ${DATABASE} --instance ${await firstInstance(configFile)}`),
      diff: await measure(`diff ${DATABASE} offset:${middleOf(data.grown)} second`),
    };
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

/** Two backups, so that a part of the log stands in a piece of its own. */
async function storeTwice(data: DataSet, workDir: string): Promise<void> {
  const folders = foldersOf(workDir);
  await mkdir(folders.repositoryDir);
  await placeBase(data, folders.dataDir);
  const deps = benchDeps(folders);
  const timeline = await claimDatabase(deps);
  await backUp(deps, { label: 'first', timeline });
  await growPlaced(data, folders.dataDir);
  await backUp(deps, { label: 'second', timeline });
}

/** Its records lie far apart. */
async function firstInstance(configFile: string): Promise<string> {
  const { stdout } = await run(RSTOW, ['log', DATABASE, '--type', 'create_instance', '--limit', '1', '--config', configFile]);
  return (JSON.parse(stdout) as { instance: string }).instance;
}

/** The offset in the middle of the log, at no record's boundary. */
function middleOf(extents: readonly Extent[]): bigint {
  let restBytes = Math.floor(sizeOf(extents) / 2);
  for (const { segment, endBytes } of extents) {
    if (restBytes < endBytes) return makeWalOffset(segment, restBytes);
    restBytes -= endBytes;
  }
  return 0n;
}
