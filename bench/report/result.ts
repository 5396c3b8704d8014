import { type Cost, type Costs, type Step, STEPS } from '../measure/cost.ts';
import { type Spread, spreadOf } from '../measure/statistics.ts';

/** What all rounds of one contestant's step cost. */
export type StepResult = { cpuSeconds: Spread; wallSeconds: Spread; peakRssMb: Spread; storedBytes?: number };

export type ContestantResult = { name: string; rounds: number; steps: Partial<Record<Step, StepResult>> };

export type BenchResult = {
  takenAt: string;
  machine: { cpus: number; model: string; memoryGb: number; kernel: string; node: string; loadAverage: number[] };
  data: { sizeName: string; plainBytes: number; grownBytes: number; segments: number; snapshotFiles: number };
  contestants: ContestantResult[];
  notRun: { name: string; why: string }[];
};

export function contestantResult(name: string, rounds: readonly Costs[]): ContestantResult {
  const steps: ContestantResult['steps'] = {};
  for (const step of STEPS) {
    const costs = rounds.flatMap((round) => round[step] ?? []);
    if (costs.length > 0) steps[step] = stepResult(costs);
  }
  return { name, rounds: rounds.length, steps };
}

function stepResult(costs: readonly Cost[]): StepResult {
  const stored = costs.at(-1)?.storedBytes;
  const result = {
    cpuSeconds: spreadOf(costs.map((cost) => cost.cpuSeconds)),
    wallSeconds: spreadOf(costs.map((cost) => cost.wallSeconds)),
    peakRssMb: spreadOf(costs.map((cost) => cost.peakRssMb)),
  };
  return stored === undefined ? result : { ...result, storedBytes: stored };
}
