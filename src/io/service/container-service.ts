/** A server of rstow's own, in a container that is made for it and removed with it. */
import { RstowError } from '../../core/errors/rstow-error.ts';
import { containerLogTail, type ContainerEngine, engineCommand, type EngineCall, stopByEngine } from './container-engine.ts';
import type { Service } from './service.ts';

export type ContainerServiceConfig = {
  readonly engine: ContainerEngine;
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

/** The container is kept when its server ends, until it is stopped: it has what the server said last. */
export function createContainerService(config: ContainerServiceConfig): Service {
  return {
    isManaged: true,
    stopGraceMs: config.stopTimeoutMs,
    program: undefined,
    logFile: undefined,
    // An engine starts no container whose port it can't have.
    processes: undefined,
    refuseStartsWhile: undefined,
    start: () => startContainer(config),
    stop: () => stopContainer(config),
    isRunning: () => isThere(config, { code: 'failed' }),
    logTail: () => containerLogTail(config.engine, config.name),
  };
}

/**
 * Ends, at once, the servers of the containers whose names fit the pattern; an engine that isn't installed has none.
 * Fails: service-stop-failed. Twice: no-op.
 */
export async function removeContainers(engine: ContainerEngine, pattern: string): Promise<void> {
  const code = 'service-stop-failed';
  const names = await namesOf(engine, pattern, { code, options: ['--all'] }).catch(noneWhereNotInstalled);
  if (names.length > 0) await engineCommand(engine, ['rm', '--force', '--volumes', ...names], { code });
}

async function startContainer(config: ContainerServiceConfig): Promise<void> {
  if (await isThere(config, { code: 'service-start-failed' })) return;
  await removeContainers(config.engine, `^${config.name}$`);
  await engineCommand(config.engine, runArguments(config), {
    code: 'service-start-failed',
    waitMs: config.startTimeoutMs,
    env: config.env,
  });
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
  const { engine, name, stopTimeoutMs } = config;
  const call = { code: 'service-stop-failed' } as const;
  if (await isThere(config, call)) await stopByEngine(config, stopTimeoutMs, call);
  await removeContainers(engine, `^${name}$`);
}

/** Whether it runs. Fails: the given code, where the engine can't say. */
async function isThere({ engine, name }: Container, call: Pick<EngineCall, 'code'>): Promise<boolean> {
  return (await namesOf(engine, `^${name}$`, call)).length > 0;
}

/** The containers that run and whose names fit the pattern, or with `--all` all of them. */
async function namesOf(
  engine: ContainerEngine,
  pattern: string,
  call: Pick<EngineCall, 'code'> & { options?: string[] },
): Promise<string[]> {
  const { code, options = [] } = call;
  const { stdout } = await engineCommand(engine, ['ps', ...options, '--filter', `name=${pattern}`, '--format', '{{.Names}}'], { code });
  return stdout.split('\n').filter((name) => name !== '');
}

function noneWhereNotInstalled(error: unknown): [] {
  const cause = error instanceof RstowError && error.cause instanceof RstowError ? error.cause.cause : undefined;
  if ((cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return [];
  throw error;
}
