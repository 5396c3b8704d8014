import type { Command } from 'commander';
import { recoveryTargetField } from '../contract/recovery-target.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { RecoveryTarget, TargetRecord } from '../core/recovery/target.ts';
import { wholeNumber } from './options.ts';

export type TargetOptions = {
  targetLatest?: boolean;
  targetOffset?: string;
  targetSequence?: number;
  targetTime?: string;
  targetName?: string;
  targetBefore?: string;
  targetAfter?: string;
  event?: string;
  record?: string;
  occurrence?: number;
  timeline?: string;
};

/** How a command line names a point of a history. */
export function addTargetOptions(command: Command): Command {
  return command
    .option('--target-latest', 'the end of all that is stored, what the archive holds beyond the last backup included')
    .option('--target-time <time>', 'nothing written after it, such as 2026-11-24T10:15:00Z')
    .option('--target-name <mark>', 'a point that `rstow mark` has named')
    .option('--target-before <instance>', 'just before the last record of that instance')
    .option('--target-after <instance>', 'just after it')
    .option('--event <name>', 'with --target-before or -after: only its events of that name')
    .option('--record <kind>', 'the same: only create, event or delete records')
    .option('--occurrence <number>', 'the same: the first is 1 (default: the last)', wholeNumber)
    .option('--target-offset <offset>', 'a place in the log: the first offset that is left out')
    .option('--target-sequence <number>', 'just behind the record of that number', wholeNumber)
    .option('--timeline <id>', 'a history that was left, as `rstow info` shows it');
}

/** Undefined if no option names a point. Fails: invalid-input. */
export function targetOf(options: TargetOptions): RecoveryTarget | undefined {
  const { event, record, occurrence, timeline } = options;
  const eventOf = (instance: string | undefined): RecoveryTarget['before'] =>
    instance === undefined ? undefined : { instance, event, record: record as TargetRecord | undefined, occurrence };
  const given: RecoveryTarget = {
    latest: options.targetLatest,
    offset: options.targetOffset,
    sequence: options.targetSequence,
    time: options.targetTime,
    name: options.targetName,
    before: eventOf(options.targetBefore),
    after: eventOf(options.targetAfter),
  };
  const named = Object.keys(given).filter((name) => given[name as keyof RecoveryTarget] !== undefined);
  if (named.length > 1) {
    const flags = named.map((name) => `--target-${name}`).join(', ');
    throw new RstowError('invalid-input', `a point is named by one of the --target- options; these are ${flags}`);
  }
  if (given.before === undefined && given.after === undefined && [event, record, occurrence].some((value) => value !== undefined)) {
    throw new RstowError('invalid-input', '--event, --record and --occurrence need --target-before or --target-after with an instance');
  }
  if (named.length === 1) return parsedTarget(given);
  return timeline === undefined ? undefined : { latest: true };
}

/** Fails: invalid-input, by the name of the option. */
function parsedTarget(given: RecoveryTarget): RecoveryTarget {
  try {
    return recoveryTargetField(given, 'target');
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    const sentence = error.message.replace(/^field "target\.([a-z]+)(?:\.([a-z]+))?"/, (_field, kind: string, of = 'instance') =>
      of === 'instance' ? `--target-${kind}` : `--${String(of)}`,
    );
    throw new RstowError('invalid-input', sentence, { cause: error });
  }
}
