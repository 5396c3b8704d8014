import { InvalidArgumentError, Option } from 'commander';
import type { LogRecord } from '../../core/recovery/log-record.ts';
import type { RecordQuery } from '../../core/recovery/record-filter.ts';
import { parseWalOffset, type WalOffset } from '../../core/wal/wal-offset.ts';
import type { CliCommand } from '../command.ts';
import { CONFIG_OPTION_HELP, wholeNumber } from '../options.ts';
import { printText } from '../output.ts';

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
  config?: string;
};

const TYPES = ['put_machine', 'create_instance', 'apply_event', 'delete_instance', 'snapshot', 'checkpoint'] as const;

export const logCommand: CliCommand = {
  name: 'log',
  description: 'print records of the stored log, as lines of JSON',
  define: (command, { exit, settings }) => {
    command
      .argument('<database>', 'its name in this host’s config file')
      .option('--repository <name>', 'a repository of the database (default: the primary)')
      .option('--timeline <id>', 'a history that was left (default: the one in use)')
      .option('--instance <id>', 'only records of this instance')
      .option('--machine <name>', 'only of this machine and its instances')
      .addOption(new Option('--type <type>', 'only of this type').choices(TYPES))
      .option('--event <name>', 'only events of this name')
      .option('--from <offset>', 'from this offset on', offset)
      .option('--to <offset>', 'up to this offset', offset)
      .option('--limit <count>', 'at most this many', wholeNumber)
      .option('--config <file>', `the agent’s; ${CONFIG_OPTION_HELP}`)
      .action(async (database: string, options: LogOptions) => exit(await printLog(database, options, settings.configFile)));
  },
};

async function printLog(database: string, options: LogOptions, configFile: string | undefined): Promise<number> {
  const { repository, timeline, limit, config = configFile, instance, machine, event, from, to } = options;
  const query: RecordQuery = { instance, machine, event, from, to, type: options.type as RecordQuery['type'] };
  const { readLog } = await import('../../local/read-history.ts');
  await readLog({
    configFile: config,
    database,
    repository,
    timeline,
    query,
    limit,
    print: (records) => printText(records.map(lineOf).join('')),
  });
  return 0;
}

const lineOf = (record: LogRecord): string => `${JSON.stringify(record)}\n`;

function offset(text: string): WalOffset {
  const parsed = parseWalOffset(text);
  if (parsed === undefined) throw new InvalidArgumentError('It must be an offset in decimal, such as 1099511628000.');
  return parsed;
}
