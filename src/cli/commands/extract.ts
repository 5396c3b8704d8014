import { RstowError } from '../../core/errors/rstow-error.ts';
import type { RecoveryTarget } from '../../core/recovery/target.ts';
import type { ExtractedInstance } from '../../local/read-history.ts';
import type { CliCommand } from '../command.ts';
import { countedText } from '../figures.ts';
import { recordText } from '../log-text.ts';
import { addJsonOption, CONFIG_OPTION_HELP } from '../options.ts';
import { factLines, printText } from '../output.ts';
import { addTargetOptions, type TargetOptions, targetOf } from '../target-options.ts';

type ExtractOptions = TargetOptions & { repository?: string; deleted?: boolean; config?: string; json?: boolean };

export const extractCommand: CliCommand = {
  name: 'extract',
  description: 'print one instance as it was at a point of a history',
  define: (command, { settings }) => {
    addTargetOptions(addJsonOption(command))
      .argument('<database>', 'its name in this host’s config file')
      .argument('<instance>', 'its id')
      .option('--deleted', 'just before its last deletion (default: the end of what is stored)')
      .option('--repository <name>', 'a repository of the database (default: the primary)')
      .option('--config <file>', `the agent’s; ${CONFIG_OPTION_HELP}`)
      .action((database: string, instance: string, options: ExtractOptions) =>
        printInstance({ database, instance }, options, settings.configFile),
      );
  },
};

type Asked = { database: string; instance: string };

async function printInstance({ database, instance }: Asked, options: ExtractOptions, configFile: string | undefined): Promise<void> {
  const { repository, timeline, config = configFile, json } = options;
  const target = pointOf(instance, options);
  const { extractInstance } = await import('../../local/read-history.ts');
  const found = await extractInstance({ configFile: config, database, repository, timeline, target, instance });
  await printText(json === true ? summaryText(database, found) : `${[...instanceLines(found), found.ctx].join('\n')}\n`);
}

/** Fails: invalid-input. */
export function pointOf(instance: string, { deleted, ...options }: TargetOptions & { deleted?: boolean }): RecoveryTarget {
  const { timeline: _timeline, ...named } = options;
  const target = targetOf(named);
  if (deleted !== true) return target ?? { latest: true };
  if (target !== undefined) throw new RstowError('invalid-input', '--deleted and the options for a point exclude each other');
  return { before: { instance, record: 'delete' } };
}

/** The context as it stands in the log: a parser would round its numbers. */
function summaryText(database: string, { ctx, ...facts }: ExtractedInstance): string {
  const summary = JSON.stringify({ message_type: 'summary', database, ...facts });
  return `${summary.slice(0, -1)},"ctx":${ctx}}\n`;
}

/** Without the context, which no line may break. */
function instanceLines({ id, machine, version, state, created, last, events, ...point }: ExtractedInstance): string[] {
  const { end, label, timeline, repository } = point;
  return factLines([
    ['instance', id],
    ['machine', `${machine}/${version}`],
    ['state', state],
    ['at', `offset ${end} of timeline ${timeline}, in ${label} of ${repository}`],
    ['created', recordText(created)],
    ['since then', countedText(events, 'event')],
    ['last change', events === 0 ? undefined : recordText(last)],
    ['context', 'as JSON, on the last line'],
  ]);
}
