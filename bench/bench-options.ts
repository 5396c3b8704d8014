import { parseArgs } from 'node:util';
import { type SizeName, SIZES_MB } from './generator/data-set.ts';

/** The halves of the bench; both where neither is asked for. */
const PARTS = ['backups', 'history'] as const;
export type BenchPart = (typeof PARTS)[number];

export type BenchOptions = {
  sizeName: SizeName;
  rounds: number;
  only: BenchPart | undefined;
  withSnapshots: boolean;
  withWorkflow: boolean;
  resultFile: string;
};

const QUICK: Pick<BenchOptions, 'sizeName' | 'rounds'> = { sizeName: 'S', rounds: 3 };
const DEFAULT: Pick<BenchOptions, 'sizeName' | 'rounds'> = { sizeName: 'M', rounds: 5 };

export const USAGE = `usage: npm run bench -- [--quick] [--size S|M|L] [--rounds N] [--only PART] [--snapshots] [--without-workflow] [--result FILE]
  --quick      size S, three rounds: less than five minutes
  --size       log of 64 MB, 514 MB (default) or 2,003 MB
  --rounds     rounds, each of all contestants one after another (default 5)
  --only       backups (and restores), or history (rstow log and diff)
  --snapshots  the database also has a snapshot file for each instance, as after a compaction
  --without-workflow  leaves the workflow with its servers out: they need gigabytes for a big log
  --result     where the figures go as JSON (default bench/results/latest.json)`;

/** Undefined where the arguments are not understood. */
export function parseBenchOptions(args: string[], defaultResultFile: string): BenchOptions | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        size: { type: 'string' },
        rounds: { type: 'string' },
        only: { type: 'string' },
        snapshots: { type: 'boolean', default: false },
        'without-workflow': { type: 'boolean', default: false },
        result: { type: 'string' },
      },
    });
    const base = values.quick ? QUICK : DEFAULT;
    const sizeName = values.size ?? base.sizeName;
    const rounds = Number(values.rounds ?? base.rounds);
    const only = PARTS.find((part) => part === values.only);
    if (!isSize(sizeName) || !Number.isInteger(rounds) || rounds < 1 || only !== values.only) return undefined;
    return {
      sizeName,
      rounds,
      only,
      withSnapshots: values.snapshots,
      withWorkflow: !values['without-workflow'],
      resultFile: values.result ?? defaultResultFile,
    };
  } catch {
    // parseArgs names what it doesn't know, and the usage says what there is.
    return undefined;
  }
}

function isSize(text: string): text is SizeName {
  return Object.hasOwn(SIZES_MB, text);
}
