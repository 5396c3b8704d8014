import { describe, expect, it } from 'vitest';
import { spreadOf } from '../../../bench/measure/statistics.ts';
import { parseBenchOptions } from '../../../bench/bench-options.ts';
import { type BenchResult, contestantResult } from '../../../bench/report/result.ts';
import { markdownReport } from '../../../bench/report/markdown.ts';
import type { Cost } from '../../../bench/measure/cost.ts';

const cost = (cpuSeconds: number, storedBytes?: number): Cost => ({
  cpuSeconds,
  wallSeconds: 2 * cpuSeconds,
  peakRssMb: 10,
  ...(storedBytes === undefined ? {} : { storedBytes }),
});

function resultWith(contestants: BenchResult['contestants']): BenchResult {
  const machine = { cpus: 2, model: 'test', memoryGb: 8, kernel: '6', node: 'v24', loadAverage: [0, 0, 0] };
  const data = { sizeName: 'S', plainBytes: 1, grownBytes: 1, segments: 1, snapshotFiles: 0 };
  return { takenAt: '2026-01-01T00:00:00Z', machine, data, contestants, notRun: [] };
}

describe('the report of a bench', () => {
  it('takes the middle round, and the mean of the two middle ones of an even number', () => {
    expect(spreadOf([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9 });
    expect(spreadOf([4, 1, 2, 100])).toEqual({ median: 3, min: 1, max: 100 });
  });

  it('tells ratios against the first contestant, and what a later backup added', () => {
    const ours = contestantResult('ours', [{ full: cost(2, 50_000_000), grown: cost(0.5, 51_500_000) }]);
    const theirs = contestantResult('theirs', [{ full: cost(8, 100_000_000) }]);
    const text = markdownReport(resultWith([ours, theirs]));
    expect(text).toContain('| theirs | 8.00 (8.00–8.00) | 4.00 | 16.00 | 10 | 100.0 |');
    expect(text).toContain('| ours | 0.50 (0.50–0.50) | 1.00 | 1.00 | 10 | +1.500 |');
  });

  it('leaves out a contestant that has no such step', () => {
    const result = contestantResult('theirs', [{ full: cost(1) }]);
    expect(Object.keys(result.steps)).toEqual(['full']);
  });
});

describe('the options of a bench', () => {
  it('takes five rounds of M by default, and three of S when it must be quick', () => {
    expect(parseBenchOptions([], 'r.json')).toMatchObject({ sizeName: 'M', rounds: 5, withSnapshots: false, resultFile: 'r.json' });
    expect(parseBenchOptions(['--quick'], 'r.json')).toMatchObject({ sizeName: 'S', rounds: 3 });
    expect(parseBenchOptions(['--quick', '--size', 'L'], 'r.json')).toMatchObject({ sizeName: 'L', rounds: 3 });
  });

  it.each([['--size', 'XL'], ['--rounds', '0'], ['--only', 'restores'], ['--rounds', 'many'], ['--unknown']])(
    'refuses %s %s',
    (...args) => {
      expect(parseBenchOptions(args, 'r.json')).toBeUndefined();
    },
  );
});
