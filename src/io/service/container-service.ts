/** A server in a container of its own, by the command line that docker and podman share. */
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type CommandResult, runCommand } from '../process/run-command.ts';
import { outputTail } from './process-files.ts';
import type { Service } from './service.ts';

export type ContainerServiceConfig = {
  readonly engine: 'docker' | 'podman';
  readonly image: string;
  /** Whoever knows it can remove the container, also where its starter has died. @see removeContainers */
  readonly name: string;
  /** Of this host, and where the container sees it. */
  readonly dataDir: string;
  readonly containerDataDir: string;
  /** On this host's loopback address, and the one that the server listens on in the container. */
  readonly port: number;
  readonly containerPort: number;
  /** Reaches the server by the engine's own environment: an argv may be read by everyone. */
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly memoryBytes: number | undefined;
  /** More options of `run`, such as `--security-opt`. */
  readonly options: readonly string[];
  /** May have to fetch the image first. */
  readonly startTimeoutMs: number;
  /** From SIGINT, on which the server syncs its log, to SIGKILL. */
  readonly stopTimeoutMs: number;
};

type Container = Pick<ContainerServiceConfig, 'engine' | 'name'>;

/** For each command of the engine, beyond what it waits for. */
const COMMAND_TIMEOUT_MS = 60_000;

/** The container is kept when its server ends, until it is stopped: it has what the server said last. */
export function createContainerService(config: ContainerServiceConfig): Service {
  return {
    isManaged: true,
    stopGraceMs: config.stopTimeoutMs,
    program: undefined,
    logFile: undefined,
    // An engine starts no container whose port it can't have.
    processes: undefined,
    start: () => startContainer(config),
    stop: () => stopContainer(config),
    isRunning: () => isThere(config, { code: 'failed' }),
    logTail: () => logTail(config),
  };
}

/**
 * Ends, at once, the servers of the containers whose names fit the pattern; an engine that isn't installed has none.
 * Fails: service-stop-failed. Twice: no-op.
 */
export async function removeContainers(engine: Container['engine'], pattern: string): Promise<void> {
  const code = 'service-stop-failed';
  const names = await namesOf(engine, pattern, { code, options: ['--all'] }).catch(noneWhereNotInstalled);
  if (names.length > 0) await engineCommand({ engine }, ['rm', '--force', '--volumes', ...names], { code });
}

async function startContainer(config: ContainerServiceConfig): Promise<void> {
  if (await isThere(config, { code: 'service-start-failed' })) return;
  await removeContainers(config.engine, `^${config.name}$`);
  await engineCommand(config, runArguments(config), { code: 'service-start-failed', waitMs: config.startTimeoutMs, env: config.env });
}

/** A server that runs as a container's first process ignores SIGTERM, unless it has a handler: rstmdb has one for SIGINT. */
function runArguments(config: ContainerServiceConfig): string[] {
  const { name, user, dataDir, containerDataDir, port, containerPort, memoryBytes } = config;
  const memory = memoryBytes === undefined ? [] : ['--memory', `${memoryBytes}b`];
  return [
    ...['run', '--detach', '--name', name, '--user', user, '--stop-signal', 'SIGINT'],
    ...['--volume', `${dataDir}:${containerDataDir}`, '--publish', `127.0.0.1:${port}:${containerPort}`],
    ...memory,
    ...Object.keys(config.env).flatMap((variable) => ['--env', variable]),
    ...config.options,
    config.image,
  ];
}

async function stopContainer(config: ContainerServiceConfig): Promise<void> {
  const { name, stopTimeoutMs } = config;
  if (await isThere(config, { code: 'service-stop-failed' })) {
    const seconds = String(Math.ceil(stopTimeoutMs / 1000));
    await engineCommand(config, ['stop', '--time', seconds, name], { code: 'service-stop-failed', waitMs: stopTimeoutMs });
  }
  await removeContainers(config.engine, `^${config.name}$`);
}

async function logTail({ engine, name }: Container): Promise<string> {
  const { stdout, stderr } = await runCommand([engine, 'logs', '--tail', '10', name], { timeoutMs: COMMAND_TIMEOUT_MS });
  return outputTail(`${stdout}${stderr}`);
}

/** Whether it runs. Fails: the given code, where the engine can't say. */
async function isThere({ engine, name }: Container, call: Pick<EngineCall, 'code'>): Promise<boolean> {
  return (await namesOf(engine, `^${name}$`, call)).length > 0;
}

/** The containers that run and whose names fit the pattern, or with `--all` all of them. */
async function namesOf(
  engine: Container['engine'],
  pattern: string,
  call: Pick<EngineCall, 'code'> & { options?: string[] },
): Promise<string[]> {
  const { code, options = [] } = call;
  const { stdout } = await engineCommand({ engine }, ['ps', ...options, '--filter', `name=${pattern}`, '--format', '{{.Names}}'], { code });
  return stdout.split('\n').filter((name) => name !== '');
}

function noneWhereNotInstalled(error: unknown): [] {
  const cause = error instanceof RstowError && error.cause instanceof RstowError ? error.cause.cause : undefined;
  if ((cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return [];
  throw error;
}

type EngineCall = {
  code: 'failed' | 'service-start-failed' | 'service-stop-failed';
  waitMs?: number;
  env?: Readonly<Record<string, string>>;
};

async function engineCommand({ engine }: Pick<Container, 'engine'>, argv: readonly string[], call: EngineCall): Promise<CommandResult> {
  const { code, waitMs = 0, env = {} } = call;
  const result = await runCommand([engine, ...argv], { env, timeoutMs: waitMs + COMMAND_TIMEOUT_MS }).catch((cause: unknown) => {
    throw new RstowError(code, cause instanceof Error ? cause.message : String(cause), { cause });
  });
  if (result.exitCode === 0) return result;
  const output = outputTail(result.stderr.trim() === '' ? result.stdout : result.stderr);
  throw new RstowError(
    code,
    `${engine} ${argv[0] ?? ''} ended with ${result.exitCode}: ${output.split('\n').at(-1) || 'it said nothing'}`,
    {
      details: { exitCode: result.exitCode, output },
    },
  );
}
