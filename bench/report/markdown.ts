import { type Step, STEPS } from '../measure/cost.ts';
import type { Spread } from '../measure/statistics.ts';
import type { BenchResult, ContestantResult, StepResult } from './result.ts';

const BYTES_PER_MB = 1_000_000;

const STEP_TITLES: Record<Step, string> = {
  full: 'First backup',
  unchanged: 'Backup of an unchanged database',
  grown: 'Backup after +1 %',
  verify: 'Verify',
  restore: 'Restore',
  log: 'One instance’s records out of the whole log',
  diff: 'What differs between the middle of the log and its end',
};

/** The tables of docs/benchmarks.md: a line for each contestant, ratios against the first one. */
export function markdownReport(result: BenchResult): string {
  const measured = STEPS.filter((step) => result.contestants.some(({ steps }) => steps[step] !== undefined));
  return measured.map((step) => stepTable(result, step)).join('\n');
}

function stepTable({ contestants }: BenchResult, step: Step): string {
  const lines = contestants.flatMap((contestant) => contestantLine(contestant, step, contestants[0]?.steps[step]));
  const head = ['', 'CPU s (range)', 'x', 'wall s', 'peak MB', 'stored MB'];
  return [`### ${STEP_TITLES[step]}`, '', row(head), row(head.map(() => '---')), ...lines, ''].join('\n');
}

function contestantLine({ name, steps }: ContestantResult, step: Step, first: StepResult | undefined): string[] {
  const result = steps[step];
  if (result === undefined) return [];
  const { cpuSeconds, wallSeconds, peakRssMb } = result;
  const ratio = first === undefined ? '' : (cpuSeconds.median / first.cpuSeconds.median).toFixed(2);
  return [row([name, spreadText(cpuSeconds), ratio, wallSeconds.median.toFixed(2), peakRssMb.median.toFixed(0), storedText(steps, step)])];
}

/** What a backup adds to what lies in the store already. */
function storedText(steps: ContestantResult['steps'], step: Step): string {
  const storedBytes = steps[step]?.storedBytes;
  if (storedBytes === undefined || step === 'verify' || step === 'restore') return '';
  if (step === 'full') return (storedBytes / BYTES_PER_MB).toFixed(1);
  const beforeBytes = (step === 'grown' ? steps.unchanged?.storedBytes : undefined) ?? steps.full?.storedBytes ?? 0;
  return `+${((storedBytes - beforeBytes) / BYTES_PER_MB).toFixed(3)}`;
}

function spreadText({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
