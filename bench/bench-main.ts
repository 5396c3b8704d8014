/** `npm run bench`: what a backup with rstow costs, beside what people do instead. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BenchOptions, parseBenchOptions, USAGE } from './bench-options.ts';
import { allContestants, type Contestant } from './contestants/contestants.ts';
import { type DataSet, generateDataSet, sizeOf, SIZES_MB } from './generator/data-set.ts';
import { thisMachine } from './machine.ts';
import type { Costs } from './measure/cost.ts';
import { markdownReport } from './report/markdown.ts';
import { type BenchResult, contestantResult } from './report/result.ts';

const RESULT_FILE = fileURLToPath(new URL('results/latest.json', import.meta.url));

const options = parseBenchOptions(process.argv.slice(2), RESULT_FILE);
if (options === undefined) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  await bench(options);
}

async function bench({ sizeName, rounds, only, withSnapshots, withWorkflow, resultFile }: BenchOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-bench-'));
  try {
    say(`generating ${SIZES_MB[sizeName]} MB of orders in ${folder}`);
    const data = generateDataSet(join(folder, 'data-set'), { sizeMb: SIZES_MB[sizeName], withSnapshots });
    const contestants = allContestants({ sizeName, only, withWorkflow });
    for (const { name, unavailable } of contestants) if (unavailable !== undefined) say(`skipped: ${name}: ${unavailable}`);
    const costs = await runRounds(contestants, { data, folder, rounds });
    const result = resultOf({ sizeName, data, contestants, costs });
    await mkdir(dirname(resultFile), { recursive: true });
    await writeFile(resultFile, `${JSON.stringify(result, undefined, 2)}\n`);
    console.log(markdownReport(result));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Interleaved, so that a noisy minute falls on all of them. */
async function runRounds(
  contestants: readonly Contestant[],
  { data, folder, rounds }: { data: DataSet; folder: string; rounds: number },
): Promise<Map<string, Costs[]>> {
  const costs = new Map<string, Costs[]>();
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, round: run, once, unavailable } of contestants) {
      if (unavailable !== undefined || (once && round > 1)) continue;
      say(`round ${round} of ${rounds}: ${name}`);
      costs.set(name, [...(costs.get(name) ?? []), await run(data, folder)]);
    }
  }
  return costs;
}

type Measured = { sizeName: string; data: DataSet; contestants: readonly Contestant[]; costs: ReadonlyMap<string, Costs[]> };

function resultOf({ sizeName, data, contestants, costs }: Measured): BenchResult {
  const plainBytes = sizeOf(data.base);
  return {
    takenAt: new Date().toISOString(),
    machine: thisMachine(),
    data: {
      sizeName,
      plainBytes,
      grownBytes: sizeOf(data.grown) - plainBytes,
      segments: data.base.length,
      snapshotFiles: data.snapshotFiles,
    },
    contestants: [...costs].map(([name, rounds]) => contestantResult(name, rounds)),
    notRun: contestants.flatMap(({ name, unavailable }) => (unavailable === undefined ? [] : [{ name, why: unavailable }])),
  };
}

function say(sentence: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${sentence}`);
}
