import { InvalidArgumentError, Option } from 'commander';
import { timelineField } from '../../contract/recovery-target.ts';
import type { RecordQuery } from '../../core/recovery/record-filter.ts';
import { parseWalOffset, type WalOffset } from '../../core/wal/wal-offset.ts';
import type { FoundRecord, LogReading, LogSummary } from '../../local/read-history.ts';
import type { CliCommand } from '../command.ts';
import { CONFIG_OPTION_HELP, positiveNumber } from '../options.ts';
import { createOutput, printText } from '../output.ts';

type LogOptions = {
  repository?: string;
  timeline?: string;
  instance?: string;
  machine?: string;
  type?: string;
  event?: string;
  from?: WalOffset;
  to?: WalOffset;
  limit?: number;
  withData?: boolean;
  config?: string;
};

const TYPES = ['put_machine', 'create_instance', 'apply_event', 'delete_instance', 'snapshot', 'checkpoint'] as const;

export const logCommand: CliCommand = {
  name: 'log',
  description: 'print records of the stored log, as lines of JSON',
  define: (command, { exit, settings }) => {
    command
      .argument('<database>', 'its name in this host’s config file')
      .option('--instance <id>', 'only records of this instance')
      .option('--machine <name>', 'only of this machine and its instances')
      .addOption(new Option('--type <type>', 'only of this type').choices(TYPES))
      .option('--event <name>', 'only events of this name')
      .option('--from <offset>', 'only what begins at this offset or behind it', offset)
      .option('--to <offset>', 'only what begins before this offset', offset)
      .option('--limit <count>', 'at most this many, the first ones', positiveNumber)
      .option('--with-data', 'the whole record too, as `entry`: with payloads and contexts')
      .option('--repository <name>', 'a repository of the database (default: the primary)')
      .option('--timeline <id>', 'a history that was left (default: the one in use)')
      .option('--config <file>', `the agent’s; ${CONFIG_OPTION_HELP}`)
      .action(async (database: string, options: LogOptions) => exit(await printLog(database, options, settings.configFile)));
  },
};

async function printLog(database: string, options: LogOptions, configFile: string | undefined): Promise<number> {
  const { repository, limit, config = configFile, instance, machine, event, from, to, withData } = options;
  const timeline = options.timeline === undefined ? undefined : timelineField(options.timeline, 'timeline');
  const query: RecordQuery = { instance, machine, event, from, to, type: options.type as RecordQuery['type'] };
  const { readLog } = await import('../../local/read-history.ts');
  const print: LogReading['print'] = (records) => printText(records.map(lineOf).join(''));
  const summary = await readLog({ configFile: config, database, repository, timeline, query, withData, limit, print });
  for (const note of notesOf(summary)) createOutput(false).note(note);
  return 0;
}

function notesOf({ timeline, label, end, found, missing, baseline }: LogSummary): string[] {
  return [
    baseline === undefined ? '' : `timeline ${timeline} begins with a baseline: ${earlierText(baseline)}`,
    missing === undefined ? '' : `warning: wal-gap: the stored log lacks ${missing}; what stood there is not shown`,
    found > 0 ? '' : `no such record: timeline ${timeline} is stored up to offset ${end}, by backup ${label}`,
  ].filter((note) => note !== '');
}

function earlierText({ segment, earlier }: NonNullable<LogSummary['baseline']>): string {
  const where = earlier === undefined ? 'is not in this repository' : `is on timeline ${earlier}`;
  return `what stood up to segment ${segment} ${where}`;
}

/** The entry stands in it as it was written, so that numbers keep their digits; only a line must be a line. */
function lineOf({ record, came, entry }: FoundRecord): string {
  const text = JSON.stringify({ ...record, sinceMs: came?.sinceMs, seenMs: came?.seenMs });
  return entry === undefined ? `${text}\n` : `${text.slice(0, -1)},"entry":${entry.replaceAll(/[\r\n]/g, ' ')}}\n`;
}

function offset(text: string): WalOffset {
  const parsed = parseWalOffset(text);
  if (parsed === undefined) throw new InvalidArgumentError('It must be an offset in decimal, such as 1099511628000.');
  return parsed;
}
