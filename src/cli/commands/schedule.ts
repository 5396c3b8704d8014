import { Argument, type Command } from 'commander';
import type { ScheduleChange, Schedules, ScheduleState } from '../../client/rstow-client.ts';
import { SCHEDULED_TYPES, type ScheduledType } from '../../contract/schedules.ts';
import type { Forecast } from '../../worker/config-schedules.ts';
import type { CliCommand, HostSettings } from '../command.ts';
import { ageText, countedText, intervalText, sizeText } from '../figures.ts';
import { requireKnownDatabase } from '../known-databases.ts';
import { addJsonOption, addTemporalOptions, CONFIG_OPTION_HELP, requester } from '../options.ts';
import { createOutput, factLines } from '../output.ts';
import type { TemporalOptions } from '../temporal-client.ts';

type ScheduleFlags = TemporalOptions & { json?: boolean };
type ApplyFlags = ScheduleFlags & { config?: string; dryRun?: boolean; prune?: boolean };
type PauseFlags = ScheduleFlags & { reason: string };

export const scheduleCommand: CliCommand = {
  name: 'schedule',
  description: 'bring schedules to what the config lists; show, pause and run them',
  define: (command, { settings }) => {
    defineApply(command, settings);
    addListing(command.command('list').description('show when each schedule runs next, has run last, and what was missed'));
    addChange(command.command('pause').description('start no run until it is resumed'), async (schedules, type, { reason }: PauseFlags) => {
      await schedules.pause(type, `${reason} (${requester()})`);
      return 'paused';
    }).requiredOption('--reason <text>', 'why, for whoever looks at it');
    addChange(command.command('resume').description('go on with a paused schedule'), async (schedules, type) => {
      await schedules.resume(type);
      return 'resumed';
    });
    addChange(command.command('run').description('start a run now, also of a paused schedule'), async (schedules, type) => {
      await schedules.run(type);
      return 'asked for a run: `rstow runs` shows it';
    });
    addChange(command.command('remove').description('remove a schedule; a run that is going goes on'), async (schedules, type) => {
      await schedules.remove(type);
      return 'removed: `rstow schedule apply` makes it again if the config lists it';
    });
  },
};

const DAY_MS = 86_400_000;

const DATABASE = 'its name in the agents’ config files';

function defineApply(command: Command, settings: HostSettings): void {
  const apply = command
    .command('apply')
    .description('make the schedules what `databases.<name>.schedules` of the config lists, and say what has changed')
    .argument('[database]', 'only this one (default: each of the config file)')
    .option('--dry-run', 'change nothing; say what would be changed')
    .option('--prune', 'remove schedules that the config no longer lists')
    .option('--config <file>', CONFIG_OPTION_HELP);
  addTemporalOptions(addJsonOption(apply)).action(async (database: string | undefined, options: ApplyFlags) => {
    const { withTemporal } = await import('../temporal-client.ts');
    const { configSchedules } = await import('../../worker/config-schedules.ts');
    const wanted = await configSchedules(options.config ?? settings.configFile, database);
    const output = createOutput(options.json === true);
    await withTemporal(options, async ({ rstow }) => {
      const isDry = options.dryRun === true;
      for (const { database: name, schedules, forecast } of wanted) {
        const changes = await rstow.schedules(name).apply(schedules, { isDry, prunes: options.prune === true });
        const lines = [...changesLines(name, changes), ...(isDry ? forecastLines(forecast) : [])];
        output.result(lines, { database: name, isDry, changes, ...(isDry && { forecast }) });
      }
    });
  });
}

function changesLines(database: string, changes: readonly ScheduleChange[]): string[] {
  if (changes.length === 0) return [`${database}: the config lists no schedule, and there is none`];
  return changes.flatMap(({ id, kind, fields, runsPlanned }) => [
    `${kind} ${id}${noteOf(kind, runsPlanned)}`,
    ...fields.map(({ name, from = 'nothing', to = 'nothing' }) => `  ${name}: ${from} -> ${to}`),
  ]);
}

function noteOf(kind: ScheduleChange['kind'], runsPlanned: number): string {
  if (kind === 'removed') return '';
  if (kind === 'unlisted') return ': the config does not list it; `--prune` removes it';
  if (kind === 'foreign') return ': somebody else has made it, and it is left alone';
  return `: ${countedText(runsPlanned, 'run')} in the next 30 days`;
}

/** `in 30 days: 124 backups made, 29 of them left (28 hot, 1 cold), the oldest 7 days old`. */
function forecastLines({ untilMs, made, kept, logBytes }: Forecast): string[] {
  if (made === 0) return [];
  const kinds = [...Map.groupBy(kept, ({ kind }) => kind)].map(([kind, of]) => `${of.length} ${kind}`).join(', ');
  const oldestDays = Math.floor((untilMs - (kept.at(-1)?.atMs ?? untilMs)) / DAY_MS);
  return [
    `in 30 days: ${countedText(made, 'backup')} made, ${kept.length} of them left (${kinds}), the oldest ${countedText(oldestDays, 'day')} old`,
    ...(logBytes === undefined ? [] : [`each backup holds the whole log up to its time; the log has ${sizeText(logBytes)} now`]),
  ];
}

function addListing(command: Command): void {
  addTemporalOptions(addJsonOption(command.argument('<database>', DATABASE))).action(async (database: string, options: ScheduleFlags) => {
    const { withTemporal } = await import('../temporal-client.ts');
    const schedules = await withTemporal(options, async ({ rstow }) => {
      await requireKnownDatabase(rstow, database, options.hostConfigFile);
      return rstow.schedules(database).list();
    });
    const none = `${database} has no schedules: \`rstow schedule apply\` makes what the config lists`;
    const lines = schedules.length === 0 ? [none] : schedules.flatMap(stateLines);
    createOutput(options.json === true).result(lines, { database, schedules });
  });
}

function stateLines(state: ScheduleState): string[] {
  const { type, cron, everyMs, timeZone, nextAtMs, lastAtMs, openWorkflowId, isPaused, note = '', started, missed, skipped, isOwn } = state;
  const every = everyMs === undefined ? undefined : `every ${intervalText(everyMs)}`;
  const counts = `${started} started, ${missed} missed, ${skipped} skipped because one was going or caught up`;
  return factLines([
    [type, cron === undefined ? every : `${cron}, ${timeZone}`],
    ['next', isPaused ? `paused: ${note === '' ? 'no reason given' : note}` : nextAtMs === undefined ? 'never' : ageText(nextAtMs)],
    ['last', lastAtMs === undefined ? 'never' : ageText(lastAtMs)],
    ['going', openWorkflowId],
    ['runs', counts],
    ['made by', isOwn ? undefined : 'somebody else: `rstow schedule` leaves it alone'],
  ]);
}

type Change<Flags> = (schedules: Schedules, type: ScheduledType, options: Flags) => Promise<string>;

function addChange<Flags extends ScheduleFlags>(command: Command, change: Change<Flags>): Command {
  const type = new Argument('<type>', 'the workflow’s type').choices(SCHEDULED_TYPES);
  addTemporalOptions(addJsonOption(command.argument('<database>', DATABASE).addArgument(type)));
  return command.action(async (database: string, of: ScheduledType, options: Flags) => {
    const { withTemporal } = await import('../temporal-client.ts');
    const said = await withTemporal(options, async ({ rstow }) => {
      await requireKnownDatabase(rstow, database, options.hostConfigFile);
      return change(rstow.schedules(database), of, options);
    });
    createOutput(options.json === true).result([said], { database, type: of });
  });
}
