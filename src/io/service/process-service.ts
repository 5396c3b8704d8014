import { mkdir, realpath } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { processesWithOpenFilesUnder } from '../process/open-files.ts';
import { isSameProcessAlive, processEntry, type ProcessEntry, processesWithEnvironment, programOf, unlessGone } from '../process/proc.ts';
import { runCommand, signalProcess, signalProcessGroup, spawnDetached } from '../process/run-command.ts';
import { logFileTail, recordedProcess, removeServiceRecord, writeServiceRecord } from './process-files.ts';
import type { Service } from './service.ts';

export type ProcessServiceConfig = {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  /** As whom root starts it: a user's name, or `uid:gid`. */
  readonly user?: string | undefined;
  /** Holds service.json and service.log; made where missing, mode 0700. */
  readonly stateDir: string;
  /** The server's data directory: nobody else may be at work in it when the server starts. */
  readonly dataDir: string;
  /** From SIGINT, on which the server syncs its log, to SIGKILL. */
  readonly stopTimeoutMs: number;
};

/** Every process that the server is carries this, from its first instant; its value is the state directory. */
const MARK_NAME = 'RSTOW_SERVICE';

/** A command that can't work mostly ends within this. */
const START_WATCH_MS = 300;

/** A process survives SIGKILL only while the kernel is busy for it. */
const KILL_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

/**
 * A server that rstow itself starts and that outlives the agent. No crash leads to two: the mark in the
 * environment finds a server whose record was not yet written. A server of the same program that somebody else has
 * started on the data is taken over, and any other stranger there is refused.
 */
export function createProcessService(config: ProcessServiceConfig): Service {
  return {
    isManaged: true,
    stopGraceMs: config.stopTimeoutMs,
    program: { command: config.command, env: config.env, cwd: config.cwd },
    logFile: serviceLogFile(config.stateDir),
    processes: () => runningProcesses(config),
    refuseStartsWhile: undefined,
    start: () => startServer(config),
    stop: () => stopServer(config),
    isRunning: async () => (await processesOf(config)).length > 0,
    logTail: () => logFileTail(serviceLogFile(config.stateDir)),
  };
}

async function startServer(config: ProcessServiceConfig): Promise<void> {
  await mkdir(config.stateDir, { recursive: true, mode: 0o700 });
  const [running] = await processesOf(config);
  if (running !== undefined) return writeServiceRecord(config.stateDir, running, config.command);
  await refuseStranger(config);
  const identity = await spawnDetached({
    command: await commandAsUser(config.command, config.user),
    cwd: config.cwd,
    env: { ...config.env, [MARK_NAME]: config.stateDir },
    logFile: serviceLogFile(config.stateDir),
  }).catch((cause: unknown) => {
    throw new RstowError('service-start-failed', cause instanceof Error ? cause.message : String(cause), { cause });
  });
  await writeServiceRecord(config.stateDir, identity, config.command);
  for (let waitedMs = 0; waitedMs < START_WATCH_MS; waitedMs += POLL_MS) {
    await sleep(POLL_MS);
    if (await isSameProcessAlive(identity)) continue;
    if ((await runningProcesses(config)).length === 0) throw await endedAtOnce(config);
  }
}

/** What we have started, else the server of this very program that somebody else has started on the data: it is ours to stop. */
async function processesOf(config: ProcessServiceConfig): Promise<ProcessEntry[]> {
  const started = await runningProcesses(config);
  return started.length > 0 ? started : foreignServers(config);
}

/** First the one that leads the group: the server, or the script that started it. */
async function runningProcesses({ stateDir }: ProcessServiceConfig): Promise<ProcessEntry[]> {
  const recorded = await recordedProcess(stateDir);
  const leader = recorded === undefined ? undefined : await processEntry(recorded.pid);
  const marked = await processesWithEnvironment(MARK_NAME, stateDir);
  const others = marked.filter(({ pid }) => pid !== leader?.pid && pid !== process.pid);
  others.sort((one, other) => Number(other.pid === other.processGroup) - Number(one.pid === one.processGroup));
  return leader === undefined ? others : [leader, ...others];
}

async function refuseStranger({ dataDir }: ProcessServiceConfig): Promise<void> {
  const [stranger] = await processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid, writersOnly: true });
  if (stranger === undefined) return;
  throw new RstowError('service-start-failed', `process ${stranger.pid} (${stranger.command}) already works in ${dataDir}`, {
    details: { pid: stranger.pid, command: stranger.command },
  });
}

async function endedAtOnce(config: ProcessServiceConfig): Promise<RstowError> {
  const logFile = serviceLogFile(config.stateDir);
  const tail = await logFileTail(logFile);
  return new RstowError('service-start-failed', `the server ended right after its start: ${tail.split('\n').at(-1) || 'it said nothing'}`, {
    details: { logFile, logTail: tail },
  });
}

async function stopServer(config: ProcessServiceConfig): Promise<void> {
  const gone = (await endProcesses(config, 'SIGINT', config.stopTimeoutMs)) || (await endProcesses(config, 'SIGKILL', KILL_TIMEOUT_MS));
  if (!gone) {
    const running = (await processesOf(config)).map(({ pid, command }) => `${pid} (${command})`);
    throw new RstowError('service-stop-failed', `processes survive SIGKILL: ${running.join(', ')}`, { details: { processes: running } });
  }
  await removeServiceRecord(config.stateDir);
}

/**
 * Whole groups, so that a script that wraps the server ends with it. A stranger's server that comes up meanwhile is not
 * waited for: somebody's loop may start one after another.
 */
async function endProcesses(config: ProcessServiceConfig, signal: NodeJS.Signals, timeoutMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs;
  let running = await processesOf(config);
  signalAll(running, signal);
  while (running.length > 0) {
    if (performance.now() >= deadlineMs) return false;
    await sleep(POLL_MS);
    const living = await Promise.all(running.map(isSameProcessAlive));
    running = living.includes(true) ? running : await runningProcesses(config);
  }
  return true;
}

/** What leads its group takes the group along. A server that a stranger's script has started is in that script's group. */
function signalAll(processes: readonly ProcessEntry[], signal: NodeJS.Signals): void {
  const groups = new Set(processes.filter(({ pid, processGroup }) => pid === processGroup).map(({ pid }) => pid));
  for (const group of groups) signalProcessGroup(group, signal);
  for (const { pid, processGroup } of processes) {
    if (!groups.has(processGroup)) signalProcess(pid, signal);
  }
}

/** What a service with this state directory appends to. */
export function serviceLogFile(stateDir: string): string {
  return join(stateDir, 'service.log');
}

const TIMEOUT_MS = 10_000;

/**
 * The command line that runs a command as another user (a name, or `uid:gid`), with all of that user's groups. Only
 * root can do so; whoever is that user already needs nothing. Fails: service-start-failed, for a user that there isn't.
 */
async function commandAsUser(command: readonly string[], user: string | undefined): Promise<readonly string[]> {
  if (user === undefined || process.getuid?.() !== 0) return command;
  const [uid, gid] = user.split(':');
  if (gid !== undefined) return ['setpriv', `--reuid=${uid ?? ''}`, `--regid=${gid}`, '--clear-groups', '--', ...command];
  return ['setpriv', `--reuid=${user}`, `--regid=${await groupOf(user)}`, '--init-groups', '--', ...command];
}

async function groupOf(user: string): Promise<string> {
  const { exitCode, stdout } = await runCommand(['id', '-g', user], { timeoutMs: TIMEOUT_MS });
  if (exitCode !== 0) throw new RstowError('service-start-failed', `this host has no user "${user}"`, { details: { user } });
  return stdout.trim();
}

type Server = { readonly command: readonly string[]; readonly dataDir: string };

/** Processes that run the command's own program and write the log of the directory. */
async function foreignServers({ command, dataDir }: Server): Promise<ProcessEntry[]> {
  const writers = await processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid, writersOnly: true });
  const runsIt = await Promise.all(writers.map(({ pid }) => isProgram(pid, command[0] ?? '')));
  return writers.filter((_writer, index) => runsIt[index]);
}

/** A bare name is found on a PATH that may be another one than the server's: the name has to do. */
async function isProgram(pid: number, file: string): Promise<boolean> {
  const program = await programOf(pid);
  if (program === undefined) return false;
  if (!isAbsolute(file)) return basename(program) === basename(file);
  return program === ((await unlessGone(realpath(file))) ?? file);
}
