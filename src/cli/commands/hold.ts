import { InvalidArgumentError } from 'commander';
import { type HoldBackupResult, parseHoldBackupInput } from '../../contract/hold-backup.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, timeText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions } from '../options.ts';

const HOLD_BACKUP: RunKind<'holdBackup'> = { type: 'holdBackup', isQuery: false, resultLines: (result) => holdLines(result) };

const DAY_MS = 86_400_000;
const DAYS_MAX = 36_500;

type HoldOptions = RunOptions & InputOptions & { days?: number };

export const holdCommand: CliCommand = {
  name: 'hold',
  description: 'keep a backup from expiring, whatever its age',
  runs: [HOLD_BACKUP],
  define: (command, { exit }) => {
    addRunOptions(command)
      .argument('<label>', '"latest", or a label or its first characters')
      .option('--days <days>', 'for so long (default: until it is released)', days)
      .action(async (database: string, backup: string, options: HoldOptions) => {
        const untilMs = options.days === undefined ? undefined : Date.now() + options.days * DAY_MS;
        const input = parseHoldBackupInput([{ ...commonInput(database, options), backup, untilMs }]);
        exit(await execute({ ...HOLD_BACKUP, input, resultLines: (held) => holdLines(held, untilMs) }, options));
      });
  },
};

export const releaseCommand: CliCommand = {
  name: 'release',
  description: 'end all holds of a backup, or take a mark from it',
  define: (command, { exit }) => {
    addRunOptions(command)
      .argument('<label>', '"latest", or a label or its first characters')
      .option('--mark <name>', 'take this name from its end, and leave its holds')
      .action(async (database: string, backup: string, options: RunOptions & InputOptions & { mark?: string }) => {
        const input = parseHoldBackupInput([{ ...commonInput(database, options), backup, release: true, mark: options.mark }]);
        exit(await execute({ ...HOLD_BACKUP, input }, options));
      });
  },
};

function days(text: string): number {
  const count = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > DAYS_MAX) throw new InvalidArgumentError(`It must be a whole number from 1 to ${DAYS_MAX}.`);
  return count;
}

/** `untilMs`: Unix ms, of a hold that ends by itself. */
export function holdLines({ label, outcome, repositories, released }: HoldBackupResult, untilMs?: number): string[] {
  if (outcome === 'not-needed') return [`nothing of that kind keeps ${label}`];
  if (released > 0) return [`${label} is released: ${countedText(released, 'object')} that kept it ${released === 1 ? 'is' : 'are'} gone`];
  const until = untilMs === undefined ? '' : ` until ${timeText(untilMs)}`;
  return [`${label} is held in ${repositories.join(', ')}${until}`];
}
