import { InvalidArgumentError, Option } from 'commander';
import { QUERY_TYPES, WORKFLOW_TYPES } from '../../contract/workflow-types.ts';
import { isWanted, mergedRecords, type RunQuery, type RunRecord } from '../../core/runs/run-record.ts';
import type { RstowClient, ScheduleState } from '../../client/rstow-client.ts';
import type { CliCommand } from '../command.ts';
import { addJsonOption, addTemporalOptions, CONFIG_OPTION_HELP, parseInterval, positiveNumber } from '../options.ts';
import { createOutput, type Output, WITH_WARNINGS } from '../output.ts';
import { asked, type Asked, isAnswer, unaskedNote } from '../asked.ts';
import { missedText, recordLines } from '../run-records-text.ts';
import type { TemporalOptions } from '../temporal-client.ts';

type HistoryOptions = TemporalOptions & {
  type?: string;
  since?: number;
  failed?: boolean;
  limit: number;
  config?: string | undefined;
  json?: boolean;
};

const LIMIT = 100;

export const historyCommand: CliCommand = {
  name: 'history',
  description: 'show what was done, when, by whom, why, and what came of it',
  define: (command, { exit, settings }) => {
    command
      .argument('[database]', 'only of this database (default: all of this host’s config, and all that Temporal knows)')
      .addOption(
        new Option('--type <type>', 'only runs of this type').choices(WORKFLOW_TYPES.filter((type) => !QUERY_TYPES.includes(type))),
      )
      .option('--since <when>', 'only what began since: a time such as 2026-11-30T10:00:00Z, or an age such as 7d', since)
      .option('--failed', 'only what failed, was cancelled, or was ended from outside')
      .option('--limit <count>', 'at most this many of a database, the newest', positiveNumber, LIMIT)
      .option('--config <file>', `the agent’s; ${CONFIG_OPTION_HELP}`);
    addTemporalOptions(addJsonOption(command)).action(async (database: string | undefined, options: HistoryOptions) => {
      exit(await printHistory(database, { ...options, config: options.config ?? settings.configFile }));
    });
  },
};

async function printHistory(database: string | undefined, options: HistoryOptions): Promise<number> {
  const query: RunQuery = { type: options.type, sinceMs: options.since, isFailedOnly: options.failed };
  const output = createOutput(options.json === true);
  const [temporal, repository] = await Promise.all([askTemporal(database, options, query), asked(() => recordsOfHost(database, options))]);
  if (!isAnswer(temporal) && !isAnswer(repository)) throw temporal.error;
  const { records: ofTemporal = [], schedules = [] } = isAnswer(temporal) ? temporal.answer : {};
  const ofRepository = isAnswer(repository) ? repository.answer.filter((record) => isWanted(record, query)) : [];
  const records = mergedRecords([...ofTemporal, ...ofRepository]);
  const missed = schedules.flatMap((schedule) => missedText(schedule) ?? []);
  const unasked = [...noteOf('Temporal', temporal), ...noteOf('the repositories of this host’s config', repository)];
  const lines = records.length === 0 ? ['there are no such runs'] : recordLines(records);
  output.result(lines, { records, schedules, unasked });
  // They are counted since the schedule was made: a start that was skipped long ago is no warning of now.
  for (const note of missed) output.note(note);
  for (const note of unasked) output.note(`warning: ${note}`);
  noteLimit(output, records, options.limit);
  return unasked.length === 0 ? 0 : WITH_WARNINGS;
}

function noteOf(what: string, asking: Asked<unknown>): string[] {
  return isAnswer(asking) ? [] : [unaskedNote(what, asking)];
}

/** Older ones may be there. */
function noteLimit(output: Output, records: readonly RunRecord[], limit: number): void {
  if (records.length >= limit) output.note(`there may be older ones: --limit ${limit * 10} shows more`);
}

type OfTemporal = { records: RunRecord[]; schedules: ScheduleState[] };

async function askTemporal(database: string | undefined, options: HistoryOptions, query: RunQuery): Promise<Asked<OfTemporal>> {
  const { withTemporal } = await import('../temporal-client.ts');
  return asked(() => withTemporal(options, ({ rstow }) => historyOf(rstow, { ...query, database, limit: options.limit })));
}

type Wanted = RunQuery & { database: string | undefined; limit: number };

async function historyOf(rstow: RstowClient, wanted: Wanted): Promise<OfTemporal> {
  const records = await rstow.records(wanted);
  const { database } = wanted;
  const databases = database === undefined ? new Set(records.map((record) => record.database)) : [database];
  const schedules = await Promise.all([...databases].map((name) => rstow.schedules(name).list()));
  return { records, schedules: schedules.flat() };
}

async function recordsOfHost(database: string | undefined, { config: configFile, limit }: HistoryOptions): Promise<RunRecord[]> {
  const { configuredDatabases } = await import('../../local/describe-locally.ts');
  const { recordedRuns } = await import('../../local/recorded-runs.ts');
  const databases = database === undefined ? await configuredDatabases(configFile) : [database];
  return (await Promise.all(databases.map((name) => recordedRuns({ configFile, database: name, limit })))).flat();
}

/** Unix ms. */
function since(text: string): number {
  if (/^[0-9]{1,6}[smhd]$/.test(text)) return Date.now() - (parseInterval(text) ?? 0);
  const timeMs = /^[0-9]{4}-[0-9]{2}-[0-9]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(timeMs)) throw new InvalidArgumentError('It must be a time such as 2026-11-30T10:00:00Z, or an age such as 12h or 7d.');
  return timeMs;
}
