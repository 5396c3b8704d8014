import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseConfig, TimingConfig } from '../config/agent-config.ts';
import { unreachable } from '../core/errors/assert.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { durationText } from '../core/text/figures.ts';
import { processesWithOpenFilesUnder } from '../io/process/open-files.ts';
import { ping } from '../io/rstmdb/server.ts';
import { createCommandsService } from '../io/service/commands-service.ts';
import { type ContainerServiceConfig, createContainerService } from '../io/service/container-service.ts';
import { parseServerAddress, portState } from '../io/service/port-state.ts';
import { createProcessService } from '../io/service/process-service.ts';
import { proveStopped } from '../io/service/prove-stopped.ts';
import type { Service } from '../io/service/service.ts';
import { createUnmanagedService } from '../io/service/unmanaged-service.ts';
import { withServer } from './rstmdb-connection.ts';

/** A server that is managed: a database's own, or one that was started beside it. */
export type ManagedServer = Pick<DatabaseConfig, 'server' | 'dataDir' | 'startTimeoutMs'> & {
  service: DatabaseConfig['service'] | ({ kind: 'container' } & ContainerServiceConfig);
};

const STOP_PROOF_MS = 10_000;
/** A look reads all of /proc: it comes the more seldom, the longer the server takes, and costs no more than a twentieth of that. */
const POLL_MS_MIN = 50;
const POLL_MS_MAX = 1_000;
const POLL_SHARE = 20;

/** The server, as the config says that it is managed. */
export function serviceOf(settings: ManagedServer): Service {
  const { service, dataDir } = settings;
  switch (service.kind) {
    case 'process':
      return createProcessService({ ...service, dataDir });
    case 'container':
      return createContainerService(service);
    case 'commands':
      return createCommandsService(service);
    case 'none':
      return createUnmanagedService();
    default:
      return unreachable(service);
  }
}

/** From SIGINT to SIGKILL, for servers that others have started. */
export function stopGraceMs({ service }: DatabaseConfig): number {
  return service.kind === 'process' ? service.stopTimeoutMs : 30_000;
}

/** Returns once the server's process is gone, its port refuses, and nobody holds wal/. Fails: service-stop-failed. */
export async function proveServerStopped(settings: DatabaseConfig): Promise<void> {
  const address = parseServerAddress(settings.server.address);
  await proveStopped({ service: serviceOf(settings), dataDir: settings.dataDir, address, timeoutMs: STOP_PROOF_MS });
}

/**
 * Starts the server, or leaves the one that somebody else has started meanwhile, and waits for its first answer: it
 * replays its log before it opens its port. Fails: service-start-failed.
 */
export async function startServer(settings: ManagedServer, timing: TimingConfig, signal?: AbortSignal): Promise<void> {
  const service = serviceOf(settings);
  let isStarted = false;
  await untilAnswered({ settings, timing, service }, async () => {
    signal?.throwIfAborted();
    if (await isReplaying(settings, service)) return;
    if (isStarted) throw await ended(settings, service, 'ended before it answered');
    isStarted = true;
    await startUnlessTaken(settings, timing, service);
  });
}

/** Sees to it that a server is there, and doesn't wait for its answer. Fails: service-start-failed. Twice: no-op. */
export async function launchServer(settings: ManagedServer, timing: TimingConfig): Promise<void> {
  const service = serviceOf(settings);
  if ((await isReplaying(settings, service)) || (await answers(settings, timing))) return;
  await startUnlessTaken(settings, timing, service);
}

/** Waits for the first answer of a server that was launched, and starts none. Fails: service-start-failed. */
export async function awaitServer(settings: ManagedServer, timing: TimingConfig): Promise<void> {
  const service = serviceOf(settings);
  await untilAnswered({ settings, timing, service }, async () => {
    if (!(await isReplaying(settings, service))) throw await ended(settings, service, 'ended before it answered');
  });
}

type Launched = { settings: ManagedServer; timing: TimingConfig; service: Service };

async function untilAnswered({ settings, timing, service }: Launched, look: () => Promise<void>): Promise<void> {
  const beganAtMs = performance.now();
  const deadlineMs = beganAtMs + settings.startTimeoutMs;
  while (!(await answers(settings, timing))) {
    if (performance.now() >= deadlineMs)
      throw await ended(settings, service, `did not answer within ${durationText(settings.startTimeoutMs)}`);
    await look();
    await delay(Math.min(POLL_MS_MAX, Math.max(POLL_MS_MIN, (performance.now() - beganAtMs) / POLL_SHARE)));
  }
}

/** The token and TLS files, before anything depends on them; whether the server answers is no matter. Fails: invalid-config. */
export async function requireReadableSecrets({ server }: ManagedServer, timing: TimingConfig): Promise<void> {
  try {
    await withServer(server, { timing }, ping);
  } catch (error) {
    if (!(error instanceof RstowError) || error.code === 'invalid-config') throw error;
  }
}

/** Ours, or that of somebody's own loop: two servers on one log would spoil it. */
async function isReplaying({ dataDir }: ManagedServer, service: Service): Promise<boolean> {
  if (await service.isRunning()) return true;
  const writers = await processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid, writersOnly: true });
  return writers.length > 0;
}

/** Somebody's own loop may have started the server between our look and our start. */
async function startUnlessTaken(settings: ManagedServer, timing: TimingConfig, service: Service): Promise<void> {
  try {
    await service.start();
  } catch (error) {
    if (!(await answers(settings, timing)) && !(await isReplaying(settings, service))) throw error;
  }
}

/** A server that refuses the token is up as well, and so is one that can't be asked because ours can't be read. */
async function answers(settings: ManagedServer, timing: TimingConfig): Promise<boolean> {
  try {
    await withServer(settings.server, { timing }, ping);
    return true;
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    if (error.code !== 'invalid-config') return error.code === 'server-refused';
    return (await portState(parseServerAddress(settings.server.address), timing.serverRequestMs)).kind === 'open';
  }
}

async function ended(settings: ManagedServer, service: Service, what: string): Promise<RstowError> {
  const logTail = await service.logTail();
  const said = logTail.trim().split('\n').at(-1) ?? '';
  return new RstowError('service-start-failed', `the server at ${settings.server.address} ${what}${said === '' ? '' : `: ${said}`}`, {
    details: { logTail },
  });
}
