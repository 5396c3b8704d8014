import { resolve } from 'node:path';
import type { RstowClient } from '../../client/rstow-client.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { UnitConfig } from '../../up/unit-facts.ts';
import type { UpOptions, UpReady } from '../../up/up.ts';
import type { CliCommand, HostSettings } from '../command.ts';
import { type CliFailure, cliFailure, failureLines } from '../failure.ts';
import { checkedInterval, CONFIG_OPTION_HELP, parseInterval } from '../options.ts';
import { createOutput, type Output } from '../output.ts';
import { configFileArgs, printUnit } from '../systemd-unit.ts';
import {
  checked,
  type FirstBackup,
  firstBackup,
  foundLines,
  protection,
  protectionLines,
  signerLines,
  temporalLines,
  timeLine,
} from '../up-protection.ts';

const DEFAULT_INTERVAL = '15m';

type UpFlags = {
  config?: string;
  dataDir?: string;
  server?: string;
  repository?: string;
  database: string;
  stateDir: string;
  every: string;
  printUnit?: boolean;
};

export const upCommand: CliCommand = {
  name: 'up',
  description: 'run Temporal and an agent on this host, and keep its databases backed up',
  define: (command, { settings }) => {
    const every = 'back each database up so often for which the config lists no schedule of it; "never" removes it';
    command
      .option('--config <file>', CONFIG_OPTION_HELP)
      .option('--data-dir <dir>', 'without a config file: the data directory of the one server to protect')
      .option('--server <host:port>', 'without a config file: where that server answers')
      .option('--repository <dir>', 'without a config file: the folder for its backups, or s3://bucket/prefix')
      .option('--database <name>', 'without a config file: what to call it', 'rstmdb')
      .option('--state-dir <dir>', 'without a config file: where rstow keeps its state, and the file that it makes', settings.stateDir)
      .option('--every <interval>', every, checkedInterval, DEFAULT_INTERVAL)
      .option('--print-unit', 'print a systemd unit for this command line and do nothing else')
      .action(async (flags: UpFlags) => {
        const config = chosenConfig(flags, settings);
        const { searchPath } = settings;
        if (flags.printUnit === true) await printUnit(['up', ...argsOf(config), ...everyArgs(flags.every)], unitConfig(config), searchPath);
        else await up(config, settings, parseInterval(flags.every));
      });
  },
};

function everyArgs(every: string): string[] {
  return every === DEFAULT_INTERVAL ? [] : ['--every', every];
}

/** Fails: invalid-input. */
function chosenConfig(flags: UpFlags, { configFile }: HostSettings): UpOptions['config'] {
  const { config, dataDir, server, repository, database, stateDir } = flags;
  const places = [dataDir, server, repository];
  if (places.every((place) => place === undefined)) return { file: config ?? configFile };
  if (config !== undefined) throw new RstowError('invalid-input', 'name either a --config file or --data-dir, --server and --repository');
  if (dataDir === undefined || server === undefined || repository === undefined) {
    throw new RstowError('invalid-input', 'without a config file --data-dir, --server and --repository are all needed');
  }
  return {
    flags: {
      database,
      server,
      dataDir: resolve(dataDir),
      repository: repository.startsWith('s3://') ? repository : resolve(repository),
      stateDir: resolve(stateDir),
    },
  };
}

function unitConfig(config: UpOptions['config']): UnitConfig | undefined {
  if ('flags' in config) return config;
  return config.file === undefined ? undefined : { file: config.file };
}

function argsOf(config: UpOptions['config']): string[] {
  if (!('flags' in config)) return configFileArgs(config.file);
  const { database, dataDir, server, repository, stateDir } = config.flags;
  const places = ['--data-dir', dataDir, '--server', server, '--repository', repository];
  return [...places, '--database', database, '--state-dir', stateDir];
}

async function up(config: UpOptions['config'], settings: HostSettings, everyMs: number | undefined): Promise<void> {
  const { workflowBundlePath, isNotifying } = settings;
  const output = createOutput(false);
  const startedAtMs = Date.now();
  const { runUp } = await import('../../up/up.ts');
  await runUp({
    config,
    everyMs,
    workflowBundlePath,
    isNotifying,
    onNewTemporal: (ready) => withClient(ready, (rstow) => keepSchedules(rstow, ready)),
    onReady: async (ready, signal) => {
      output.result([...temporalLines(ready), '', ...signerLines(ready), '', ...foundLines(ready)], {});
      await protectAll(ready, { output, signal });
      if (!signal.aborted) output.result([timeLine(startedAtMs, Date.now())], {});
    },
  });
}

type Protecting = { output: Output; signal: AbortSignal };

/** A database that can't be backed up now is reported, and the others are still protected. */
async function protectAll(ready: UpReady, { output, signal }: Protecting): Promise<void> {
  const print = (lines: readonly string[]): void => output.result([...lines, ''], {});
  await withClient(ready, async (rstow) => {
    await keepSchedules(rstow, ready);
    for (const database of Object.keys(ready.config.databases)) {
      const backup = { rstow, database, signal, print };
      const failed = (error: unknown): Promise<void> => reportFailure(error, { ready, database, output, signal });
      await firstBackup(backup).catch(failed);
      if (!signal.aborted) await showProtection(ready, backup).catch(failed);
    }
  });
}

async function showProtection(ready: UpReady, backup: FirstBackup): Promise<void> {
  const described = await protection(backup);
  backup.print(protectionLines(ready, { described, check: await checked(backup) }));
}

async function keepSchedules(rstow: RstowClient, { schedules: kept }: UpReady): Promise<void> {
  for (const { database, wanted } of kept) {
    const schedules = rstow.schedules(database);
    const changes = await schedules.apply(wanted);
    const isLeft = changes.some(({ type, kind }) => type === 'hotBackup' && kind === 'unlisted');
    if (isLeft) await schedules.remove('hotBackup');
  }
}

async function withClient({ temporal }: UpReady, work: (rstow: RstowClient) => Promise<void>): Promise<void> {
  const { connectRstow } = await import('../../client/rstow-client.ts');
  const rstow = await connectRstow({ address: temporal.address, namespace: temporal.namespace });
  try {
    await work(rstow);
  } finally {
    await rstow.close();
  }
}

type Reporting = { ready: UpReady; database: string; output: Output; signal: AbortSignal };

/** What fails because everything ends is no news. The agent runs here: where it doesn't answer, it waits for the server. */
async function reportFailure(error: unknown, { ready, database, output, signal }: Reporting): Promise<void> {
  if (signal.aborted) return;
  const reported = await cliFailure(error);
  const failure = reported?.code === 'agent-unreachable' ? await serverFailure(ready, database, reported) : reported;
  if (failure === undefined) throw error;
  output.failure([`${database}:`, ...failureLines(failure), ''], failure);
}

async function serverFailure({ config }: UpReady, database: string, reported: CliFailure): Promise<CliFailure> {
  const { requireServer } = await import('../../up/flag-config.ts');
  const cause: unknown = await requireServer(config, database).then(
    () => undefined,
    (error: unknown) => error,
  );
  return cause === undefined ? reported : ((await cliFailure(cause)) ?? reported);
}
