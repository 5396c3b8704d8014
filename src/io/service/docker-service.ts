/** A server in a container that its operator has made, in docker or podman. */
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { livingProcesses, type ProcessEntry } from '../process/proc.ts';
import { containerLogTail, type ContainerEngine, engineCommand, type EngineCall, stopByEngine } from './container-engine.ts';
import type { Service } from './service.ts';

export type DockerServiceConfig = {
  readonly engine: ContainerEngine;
  /** Its name or id. */
  readonly container: string;
  /** From SIGINT, on which the server syncs its log, to SIGKILL. */
  readonly stopTimeoutMs: number;
  /** For each command of the engine, beyond what it waits for. */
  readonly timeoutMs: number;
};

type ContainerState = {
  readonly status: string;
  /** Of the container's first process, on this host; 0 while there is none. */
  readonly pid: number;
  /** Empty where neither image nor container names one; podman always gives a number. */
  readonly stopSignal: string;
  readonly hasRestartPolicy: boolean;
  readonly isRemovedAtEnd: boolean;
  /** Of systemd, which starts and stops the container; empty where none does. */
  readonly unit: string;
};

const FIELDS = [
  '{{.State.Status}}',
  '{{.State.Pid}}',
  '{{.Config.StopSignal}}',
  '{{.HostConfig.RestartPolicy.Name}}',
  '{{.HostConfig.AutoRemove}}',
  '{{index .Config.Labels "PODMAN_SYSTEMD_UNIT"}}',
];

/** In these an engine starts nothing by itself. Podman's `stopped` isn't one: it is still to decide whether to start it again. */
const SETTLED: readonly string[] = ['created', 'configured', 'exited', 'dead'];
const UP: readonly string[] = ['running', 'paused'];
const POLL_MS = 100;
/** A server that can't start ends within that time. */
const START_WATCH_MS = 500;
/** Docker has no state that says so. */
const STOP_BEGINS_MS = 500;

/**
 * No policy of the container's is changed for the time while it is down, so that none can stay changed: an engine starts
 * none that was stopped by its own command, until it is started anew itself, and then the data directory's block ends each start.
 */
export function createDockerService(config: DockerServiceConfig): Service {
  const { engine, container } = config;
  return {
    isManaged: true,
    stopGraceMs: config.stopTimeoutMs,
    program: undefined,
    logFile: undefined,
    processes: async () => processesBelow((await containerState(config, 'failed')).pid),
    refuseStartsWhile: undefined,
    start: () => startContainer(config),
    stop: () => stopContainer(config),
    isRunning: async () => {
      const { status } = await containerState(config, 'failed');
      return UP.includes(status) || status === 'stopping';
    },
    logTail: () => containerLogTail(engine, container),
  };
}

async function startContainer(config: DockerServiceConfig): Promise<void> {
  const { engine, container, timeoutMs } = config;
  const call = { code: 'service-start-failed', timeoutMs } as const;
  const { status } = await containerState(config, call.code);
  if (UP.includes(status)) return;
  // Docker takes one that waits for its policy's next try for one that runs, and that wait grows to a minute.
  if (!SETTLED.includes(status)) await stopByEngine({ engine, name: container }, 0, call);
  await engineCommand(engine, ['start', container], call);
  await watchStart(config);
}

/** An engine's start ends before the server has read anything; a policy may hide that it has ended. */
async function watchStart(config: DockerServiceConfig): Promise<void> {
  const { engine, container } = config;
  const { pid } = await containerState(config, 'service-start-failed');
  const untilMs = performance.now() + START_WATCH_MS;
  for (;;) {
    const state = await containerState(config, 'service-start-failed');
    if (!UP.includes(state.status) || state.pid !== pid) break;
    if (performance.now() >= untilMs) return;
    await sleep(POLL_MS);
  }
  const logTail = await containerLogTail(engine, container);
  const said = logTail.split('\n').at(-1) || 'it said nothing';
  throw new RstowError('service-start-failed', `the server of container ${container} ended right after its start: ${said}`, {
    details: { container, logTail },
  });
}

/** Whatever signal and policy the container has: rstmdb ends cleanly by SIGINT alone, and as a first process by nothing else. */
async function stopContainer(config: DockerServiceConfig): Promise<void> {
  const { engine, container, stopTimeoutMs, timeoutMs } = config;
  const call = { code: 'service-stop-failed', timeoutMs } as const;
  const deadlineMs = performance.now() + stopTimeoutMs + timeoutMs;
  const before = await containerState(config, call.code);
  if (UP.includes(before.status)) {
    requireOurs(config, before);
    await endServer(config, before, call);
  }
  for (;;) {
    const { status } = await containerState(config, call.code);
    if (SETTLED.includes(status)) return;
    if (performance.now() >= deadlineMs) {
      throw new RstowError(call.code, `container ${container} doesn’t stop: ${engine} calls it ${status}`, {
        details: { container, status },
      });
    }
    // What has come up by a policy meanwhile goes at once; podman may miss one that is just between two tries.
    await stopByEngine({ engine, name: container }, 0, call);
    await sleep(POLL_MS);
  }
}

/** Fails: service-stop-failed if, once stopped, it could not be started again, or somebody else would start it at once. */
function requireOurs({ container }: DockerServiceConfig, { isRemovedAtEnd, unit }: ContainerState): void {
  if (unit !== '') {
    throw new RstowError('service-stop-failed', `container ${container} belongs to the unit ${unit}, which would start it again`, {
      details: { container, unit },
      hint: `Let the config say \`service: { kind: systemd, unit: ${unit} }\`.`,
    });
  }
  if (!isRemovedAtEnd) return;
  throw new RstowError('service-stop-failed', `container ${container} was made with --rm: once stopped, there is none to start again`, {
    details: { container },
    hint: 'Make the container without --rm.',
  });
}

/**
 * A policy brings a server back that ends by a mere signal, unless the engine takes that signal for the container's own way to
 * stop: then the engine is told to stop it first, and the signal goes to a server that ignores what the engine sends.
 */
async function endServer(config: DockerServiceConfig, state: ContainerState, call: EngineCall): Promise<void> {
  const { engine, container, stopTimeoutMs } = config;
  const { stopSignal, hasRestartPolicy } = state;
  const interrupt = (): Promise<void> => interruptServer(config, state, call);
  if (isInterrupt(stopSignal)) return stopByEngine({ engine, name: container }, stopTimeoutMs, call);
  if (hasRestartPolicy && stopSignal !== '') {
    const begun = untilState(config, ({ status }) => !UP.includes(status), STOP_BEGINS_MS);
    await Promise.all([stopByEngine({ engine, name: container }, stopTimeoutMs, call), begun.then(interrupt)]);
    return;
  }
  await interrupt();
  await untilState(config, ({ status, pid }) => !UP.includes(status) || pid !== state.pid, stopTimeoutMs);
}

/** Fails: service-stop-failed, unless the server has ended by itself. */
async function interruptServer(config: DockerServiceConfig, { pid }: ContainerState, call: EngineCall): Promise<void> {
  try {
    await engineCommand(config.engine, ['kill', '--signal', 'INT', config.container], call);
  } catch (error) {
    if ((await containerState(config, call.code)).pid === pid) throw error;
  }
}

function isInterrupt(signal: string): boolean {
  return ['SIGINT', 'INT', String(constants.signals.SIGINT)].includes(signal);
}

/** Returns after the time as well: who asks looks again. */
async function untilState(config: DockerServiceConfig, isReached: (state: ContainerState) => boolean, timeoutMs: number): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (!isReached(await containerState(config, 'service-stop-failed')) && performance.now() < untilMs) await sleep(POLL_MS);
}

/** Fails: the given code, also if there is no such container. */
async function containerState(config: DockerServiceConfig, code: EngineCall['code']): Promise<ContainerState> {
  const { engine, container, timeoutMs } = config;
  const argv = ['inspect', '--type', 'container', '--format', FIELDS.join('\n'), container];
  const { stdout } = await engineCommand(engine, argv, { code, timeoutMs });
  const [status = '', pid, stopSignal = '', policy = '', isRemovedAtEnd, unit = ''] = stdout.split('\n');
  return {
    status,
    pid: Number(pid),
    stopSignal,
    hasRestartPolicy: policy !== '' && policy !== 'no',
    isRemovedAtEnd: isRemovedAtEnd === 'true',
    unit: unit === '<no value>' ? '' : unit,
  };
}

/** A container's first process on this host, and its offspring: what is run in the container besides is none of them. */
async function processesBelow(pid: number): Promise<ProcessEntry[]> {
  if (pid === 0) return [];
  const all = await livingProcesses(() => Promise.resolve(true));
  const found = all.filter((entry) => entry.pid === pid);
  for (const { pid: parent } of found) found.push(...all.filter(({ parentPid }) => parentPid === parent));
  return found;
}
