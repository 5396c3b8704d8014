import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectedClient, DatabaseRuns, RunHandle, ScheduleState } from '../../client/rstow-client.ts';
import { TAKE_UP_MS } from '../../client/run-state.ts';
import type { Workflows, WorkflowType } from '../../contract/workflow-types.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { asked, type Asked, isAnswer } from '../asked.ts';
import type { CliCommand } from '../command.ts';
import { knownDatabases } from '../known-databases.ts';
import { addJsonOption, addTemporalOptions, commonInput, CONFIG_OPTION_HELP } from '../options.ts';
import { createOutput } from '../output.ts';
import { type DatabaseStatus, statusExitCode, statusLines } from '../status-text.ts';
import type { TemporalOptions } from '../temporal-client.ts';

type StatusOptions = TemporalOptions & { config?: string | undefined; json?: boolean };

/** Of each query; a check reads the whole log in place. */
const ANSWER_MS = 120_000;

export const statusCommand: CliCommand = {
  name: 'status',
  description: 'show on one screen how each database stands, what runs, and what is next; ends with 3 unless all is well',
  define: (command, { exit, settings }) => {
    command
      .argument('[database]', 'only this database (default: all of this host’s config, and all that Temporal knows)')
      .option('--config <file>', `the agent’s, where no agent can be asked; ${CONFIG_OPTION_HELP}`);
    addTemporalOptions(addJsonOption(command)).action(async (database: string | undefined, options: StatusOptions) => {
      exit(await printStatus(database, { ...options, config: options.config ?? settings.configFile }));
    });
  },
};

async function printStatus(database: string | undefined, options: StatusOptions): Promise<number> {
  const { withTemporal } = await import('../temporal-client.ts');
  const gathered = await asked(() => withTemporal(options, ({ rstow }) => gather(rstow, database, options.config)));
  const statuses = isAnswer(gathered) ? gathered.answer : await gatherLocally(database, options.config, gathered.error);
  const [first] = statuses;
  if (first === undefined) throw new RstowError('unknown-database', 'neither this host’s config nor Temporal knows a database');
  const isAnswered = statuses.some(({ described, checked, temporal }) =>
    [described, checked, temporal].some((asking) => 'answer' in asking),
  );
  if (!isAnswered && !isAnswer(first.temporal)) throw first.temporal.error;
  const output = createOutput(options.json === true);
  const lines = statuses.flatMap((status, index) => [...(index === 0 ? [] : ['']), ...statusLines(status)]);
  output.result(lines, { databases: statuses.map(plainStatus) });
  return statusExitCode(statuses);
}

async function gather(rstow: ConnectedClient, database: string | undefined, configFile: string | undefined): Promise<DatabaseStatus[]> {
  const hasAgents = await rstow.hasAgents();
  const databases = database === undefined ? await knownDatabases(rstow, configFile) : [database];
  const statuses = await Promise.all(
    databases.map(async (name): Promise<DatabaseStatus> => {
      const [temporal, ofAgents] = await Promise.all([
        asked(() => ofTemporal(rstow, name)),
        hasAgents ? askAgents(rstow, name) : { described: nobody, checked: nobody },
      ]);
      return { database: name, ...(isUnheard(ofAgents) ? await askHere(name, configFile, ofAgents) : ofAgents), temporal };
    }),
  );
  await rstow.forgetPastQueries().catch(() => undefined);
  return statuses;
}

async function ofTemporal(rstow: ConnectedClient, database: string): Promise<DatabaseRuns & { schedules: ScheduleState[] }> {
  const [runs, schedules] = await Promise.all([rstow.databaseRuns(database), rstow.schedules(database).list()]);
  return { ...runs, schedules };
}

type OfRepository = Pick<DatabaseStatus, 'described' | 'checked'>;

/** As `rstow info` and `rstow check` do. */
async function askAgents(rstow: ConnectedClient, database: string): Promise<OfRepository> {
  const ask = async <T extends WorkflowType>(type: T): Promise<Asked<Workflows[T]['result']>> =>
    asked(async () => answerOf(await rstow.start(type, commonInput(database, {}) as Workflows[T]['input'], { timeoutMs: ANSWER_MS })));
  const [described, checked] = await Promise.all([ask('describeDatabase'), ask('checkDatabase')]);
  return { described, checked };
}

/** Temporal may believe for minutes in an agent that was killed. Fails: as the query does; agent-unreachable, if no agent takes it up soon. */
async function answerOf<T extends WorkflowType>(query: RunHandle<T>): Promise<Workflows[T]['result']> {
  const answer = query.result();
  const isSoon = await Promise.race([answer.then(isSettled, isSettled), sleep(TAKE_UP_MS, false)]);
  if (isSoon || !(await query.withdraw('no agent took the query up', true))) return answer;
  answer.catch(() => undefined);
  throw new RstowError('agent-unreachable', `no agent took the question up within ${TAKE_UP_MS / 1000} s`);
}

const isSettled = (): boolean => true;

const nobody = { error: new RstowError('agent-unreachable', 'no agent is connected to Temporal') };

function isUnheard({ described, checked }: OfRepository): boolean {
  const askings: Asked<unknown>[] = [described, checked];
  return askings.every((asking) => !isAnswer(asking) && asking.error.code === 'agent-unreachable');
}

/** By this host's config, where no agent can be asked; `unasked` if there is none, or if it doesn't list the database. */
async function askHere(database: string, configFile: string | undefined, unasked: OfRepository): Promise<OfRepository> {
  const { describeLocally } = await import('../../local/describe-locally.ts');
  const state = await asked(() => describeLocally({ configFile, database }));
  if (isAnswer(state)) return { described: { answer: state.answer.described }, checked: { answer: state.answer.checked } };
  return isElsewhere(state.error) ? unasked : { described: state, checked: state };
}

/** Whether this host has no config, or one that doesn't list the database. One that is wrong may be why no agent answers. */
export function isElsewhere({ code, details }: RstowError): boolean {
  return code === 'unknown-database' || (code === 'invalid-config' && details['errno'] === 'ENOENT');
}

async function gatherLocally(database: string | undefined, configFile: string | undefined, error: RstowError): Promise<DatabaseStatus[]> {
  const configured = await asked(() => (database === undefined ? configuredDatabases(configFile) : Promise.resolve([database])));
  // Without a config there is nothing else to ask.
  if (!isAnswer(configured)) throw error;
  const unasked = { described: { error }, checked: { error } };
  return Promise.all(
    configured.answer.map(async (name) => ({ database: name, ...(await askHere(name, configFile, unasked)), temporal: { error } })),
  );
}

async function configuredDatabases(configFile: string | undefined): Promise<string[]> {
  const local = await import('../../local/describe-locally.ts');
  return local.configuredDatabases(configFile);
}

function plainStatus({ database, described, checked, temporal }: DatabaseStatus): object {
  return { database, described: plain(described), checked: plain(checked), temporal: plain(temporal) };
}

/** `answer`, or the failure's `code` and `sentence`. */
function plain(asking: Asked<unknown>): object {
  return isAnswer(asking) ? asking : { failure: { code: asking.error.code, sentence: asking.error.message } };
}
