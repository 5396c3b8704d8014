import { parseRecoverInstanceInput, type RecoverInstanceResult } from '../../contract/recover-instance.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { RecoveryTarget } from '../../core/recovery/target.ts';
import type { ExtractedInstance } from '../../local/read-history.ts';
import type { CliCommand, HostSettings, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, durationText } from '../figures.ts';
import { recordText } from '../log-text.ts';
import {
  addKeyOption,
  addRunOptions,
  commonInput,
  CONFIG_OPTION_HELP,
  execute,
  type InputOptions,
  type KeyOptions,
  operatorKey,
} from '../options.ts';
import { factLines, printText } from '../output.ts';
import { addTargetOptions, type TargetOptions, targetOf } from '../target-options.ts';

const RECOVER_INSTANCE: RunKind<'recoverInstance'> = { type: 'recoverInstance', isQuery: false, resultLines: recoveredLines };

type ExtractOptions = RunOptions &
  InputOptions &
  KeyOptions &
  TargetOptions & { deleted?: boolean; apply?: boolean; dryRun?: boolean; config?: string };

export const extractCommand: CliCommand = {
  name: 'extract',
  description: 'print one instance as it was at a point of a history, or bring it back',
  runs: [RECOVER_INSTANCE],
  define: (command, { exit, settings }) => {
    addTargetOptions(addKeyOption(addRunOptions(command)))
      .argument('<instance>', 'its id')
      .option('--deleted', 'just before its last deletion (default: the end of what is stored)')
      .option('--apply', 'bring it back into its running server, which lacks it')
      .option('--dry-run', 'with --apply: only make and show the plan')
      .option('--config <file>', `without --apply: the agent’s; ${CONFIG_OPTION_HELP}`)
      .action(async (database: string, instance: string, options: ExtractOptions) => {
        const asked = { database, instance, target: pointOf(instance, options) };
        exit(await (options.apply === true ? bringBack(asked, options, settings) : printInstance(asked, options, settings)));
      });
  },
};

type Asked = { database: string; instance: string; target: RecoveryTarget };

/** Returns the exit code. */
async function printInstance({ database, ...wanted }: Asked, options: ExtractOptions, settings: HostSettings): Promise<number> {
  const { repository, timeline, config = settings.configFile, json, dryRun } = options;
  if (dryRun === true) throw new RstowError('invalid-input', '--dry-run needs --apply: without it nothing is written anyway');
  const { extractInstance } = await import('../../local/read-history.ts');
  const found = await extractInstance({ configFile: config, database, repository, timeline, ...wanted });
  await printText(json === true ? summaryText(database, found) : `${[...instanceLines(found), found.ctx].join('\n')}\n`);
  return 0;
}

/** Returns the exit code. */
async function bringBack({ database, ...wanted }: Asked, options: ExtractOptions, settings: HostSettings): Promise<number> {
  const { timeline, dryRun } = options;
  const input = parseRecoverInstanceInput([{ ...commonInput(database, options), ...wanted, timeline, dryRun }]);
  const key = dryRun === true ? undefined : await operatorKey(options, settings);
  return execute({ ...RECOVER_INSTANCE, input, key }, options);
}

/** Fails: invalid-input. */
function pointOf(instance: string, { deleted, timeline: _timeline, ...options }: ExtractOptions): RecoveryTarget {
  const target = targetOf(options);
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

export function recoveredLines(result: RecoverInstanceResult): string[] {
  const {
    outcome,
    database,
    instance,
    machine = '',
    version = 0,
    events = 0,
    end = '',
    timeline = '',
    label = '',
    repository = '',
  } = result;
  if (instance === undefined) return [`${outcome}: nothing was brought back to ${database}`];
  return factLines([
    [outcome === 'not-needed' ? 'is there already' : result.dryRun === true ? 'would bring back' : 'brought back', instance],
    ['machine', `${machine}/${version}${result.putsMachine === true ? ', which the server lacks: it is put first' : ''}`],
    ['state', result.state],
    ['as of', `offset ${end} of timeline ${timeline}, in ${label} of ${repository}`],
    ['by', `its creation and ${countedText(events, 'event')}`],
    ['last record', result.lastOffset === undefined ? undefined : `at offset ${result.lastOffset} of the server’s log`],
    ['plan', result.planKey],
    ['plan hash', result.planHash],
    ['took', result.durationMs === undefined ? undefined : durationText(result.durationMs)],
  ]);
}
