/** A server that is a unit of the host's systemd. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ErrorCode } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf, orUndefined } from '../files/errno.ts';
import { isSameProcessAlive, processEntry, type ProcessEntry, unlessGone } from '../process/proc.ts';
import { type CommandResult, runCommand } from '../process/run-command.ts';
import { runManagerCommand } from './manager-command.ts';
import { outputTail } from './process-files.ts';
import type { Service } from './service.ts';

export type SystemdServiceConfig = {
  readonly unit: string;
  /** From SIGINT, on which the server syncs its log, to SIGKILL. */
  readonly stopTimeoutMs: number;
};

/** What systemd knows of a unit. */
type UnitState = {
  readonly isKnown: boolean;
  readonly isMasked: boolean;
  /** Also while it is being stopped, and while systemd waits to start it again by itself. */
  readonly isUp: boolean;
  readonly isEnding: boolean;
  readonly mainPid: number;
  readonly controlGroup: string;
  readonly killSignal: number;
  /** Whether rstow prepares each start of it. */
  readonly isPrepared: boolean;
  readonly dropIns: readonly string[];
  readonly needsReload: boolean;
};

/** For each command, beyond what a stop waits for; a start also runs what stands before it in the unit. */
const COMMAND_TIMEOUT_MS = 60_000;
/** systemd may start it again a tenth of a second after its end: we are to see that end before. */
const POLL_MS = 20;
/** A server that can't start ends in that time. */
const START_WATCH_MS = 500;

export function createSystemdService(config: SystemdServiceConfig): Service {
  const unit = unitName(config.unit);
  return {
    isManaged: true,
    stopGraceMs: config.stopTimeoutMs,
    program: undefined,
    logFile: undefined,
    processes: async () => unitProcesses(await unitState(unit)),
    // Only root may add to a unit.
    refuseStartsWhile: process.getuid?.() === 0 ? (blockFile) => refuseStartsWhile(unit, blockFile) : undefined,
    start: () => startUnit(unit),
    stop: () => stopUnit(unit, config.stopTimeoutMs),
    isRunning: async () => {
      const { isUp, isKnown } = await unitState(unit);
      if (!isUp && !isKnown) throw new RstowError('failed', `systemd knows no unit ${unit}`, { details: { unit } });
      return isUp;
    },
    logTail: () => journalTail(unit),
  };
}

/** As systemd calls it. */
export function unitName(unit: string): string {
  return unit.endsWith('.service') ? unit : `${unit}.service`;
}

/** The number of the signal that systemd stops the unit by; undefined where no systemd says so. */
export async function killSignal(unit: string): Promise<number | undefined> {
  const state = await unitState(unitName(unit)).catch(() => undefined);
  return state?.isKnown === true ? state.killSignal : undefined;
}

/** Whether a plain stop of the unit is clean, and a plain start prepared by rstow. Fails: failed. */
export async function isPreparedUnit(unit: string): Promise<boolean> {
  const state = await unitState(unitName(unit));
  return state.killSignal === constants.signals.SIGINT && state.isPrepared;
}

async function startUnit(unit: string): Promise<void> {
  const { isUp, isEnding } = await unitState(unit);
  if (isUp && !isEnding) return;
  // Starts that were refused meanwhile count, and systemd refuses more of them for a while.
  await systemctl(['reset-failed', unit], 'failed').catch(() => undefined);
  try {
    await systemctl(['start', unit], 'service-start-failed');
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    throw await startFailure(unit, error.message);
  }
  await watchStart(unit);
}

/** `systemctl start` ends before the server has read anything. */
async function watchStart(unit: string): Promise<void> {
  const main = await mainProcess(await unitState(unit));
  for (let waitedMs = 0; waitedMs < START_WATCH_MS; waitedMs += POLL_MS) {
    if (main === undefined || !(await isSameProcessAlive(main))) throw await startFailure(unit, `${unit} ended right after its start`);
    await sleep(POLL_MS);
  }
}

async function startFailure(unit: string, sentence: string): Promise<RstowError> {
  const logTail = await journalTail(unit);
  const said = logTail.split('\n').at(-1) ?? '';
  return new RstowError('service-start-failed', `${sentence}${said === '' ? '' : `; the server said: ${said}`}`, {
    details: { unit, logTail },
  });
}

/**
 * Whatever signal and patience the unit has: rstmdb ends cleanly by SIGINT alone. A stop by systemd means that no policy of
 * the unit's starts it again.
 */
async function stopUnit(unit: string, graceMs: number): Promise<void> {
  const state = await unitState(unit);
  if (!state.isUp) return;
  if (state.isMasked) {
    throw new RstowError('service-stop-failed', `${unit} is masked: once stopped, it could not be started again`, {
      details: { unit },
      hint: `Run \`systemctl unmask ${unit}\`, if the server is to run.`,
    });
  }
  const main = await mainProcess(state);
  const beginStop = ['stop', '--no-block', unit];
  if (main !== undefined) {
    const isStopClean = state.killSignal === constants.signals.SIGINT;
    await orEnded(main, isStopClean ? beginStop : ['kill', '--kill-who=main', '--signal=SIGINT', unit]);
    if (!(await hasEnded(main, graceMs))) {
      await orEnded(main, beginStop);
      await orEnded(main, ['kill', '--signal=SIGKILL', unit]);
    }
  }
  await systemctl(['stop', unit], 'service-stop-failed');
}

/** Fails: service-stop-failed, unless the server has ended by itself. */
async function orEnded(main: ProcessEntry, command: readonly string[]): Promise<void> {
  try {
    await systemctl(command, 'service-stop-failed');
  } catch (error) {
    if (await isSameProcessAlive(main)) throw error;
  }
}

async function hasEnded(main: ProcessEntry, timeoutMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs;
  while (await isSameProcessAlive(main)) {
    if (performance.now() >= deadlineMs) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** After all that the unit's own folders hold; /run forgets it at the next boot. */
const DROP_IN_NAME = 'zz-rstow.conf';
const RUNTIME_UNITS = '/run/systemd/system';

/** An agent of root's whose own unit lets it write nothing there. */
const NO_WRITE: readonly string[] = ['EROFS', 'EACCES', 'EPERM'];

/** A mask of the runtime would not do: a unit in /etc stands above it, and it would outlive whoever is to lift it. */
async function refuseStartsWhile(unit: string, blockFile: string): Promise<void> {
  const folder = join(RUNTIME_UNITS, `${unit}.d`);
  const file = join(folder, DROP_IN_NAME);
  const text = `# rstow wrote this: while it has the server down, there is a file in the place of snapshots/, and nobody starts the unit.
[Unit]
AssertFileNotEmpty=!${blockFile.replaceAll('%', '%%')}
`;
  const { dropIns, needsReload } = await unitState(unit);
  if (dropIns.includes(file) && !needsReload && (await readFile(file, 'utf8')) === text) return;
  try {
    await orUndefined(mkdir(folder), ['EEXIST']);
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  } catch (cause) {
    // The block alone keeps the server down then, and a restore is possible.
    if (NO_WRITE.includes(errnoOf(cause) ?? '')) return;
    throw new RstowError('service-stop-failed', `${file} can’t be written: ${String(cause)}`, { details: { file }, cause });
  }
  await systemctl(['daemon-reload'], 'service-stop-failed');
}

const PROPERTIES = ['LoadState', 'ActiveState', 'MainPID', 'ControlGroup', 'KillSignal', 'ExecStartPre', 'DropInPaths', 'NeedDaemonReload'];

/** Fails: failed. */
async function unitState(unit: string): Promise<UnitState> {
  const { stdout } = await systemctl(['show', `--property=${PROPERTIES.join(',')}`, unit], 'failed');
  const properties = new Map(stdout.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  const value = (name: string): string => properties.get(name) ?? '';
  return {
    isKnown: value('LoadState') !== 'not-found',
    isMasked: value('LoadState') === 'masked',
    isUp: !['inactive', 'failed'].includes(value('ActiveState')),
    isEnding: value('ActiveState') === 'deactivating',
    mainPid: Number(value('MainPID')),
    controlGroup: value('ControlGroup'),
    killSignal: Number(value('KillSignal')),
    isPrepared: /^ExecStartPre=.*guard --before-start/m.test(stdout),
    dropIns: value('DropInPaths').split(' '),
    needsReload: value('NeedDaemonReload') === 'yes',
  };
}

/** Where the kernel shows control groups, of version 2 or of systemd's own tree of version 1. */
const GROUP_TREES = ['/sys/fs/cgroup', '/sys/fs/cgroup/systemd'];

/** Undefined while there is none, also while something prepares its start. */
async function mainProcess({ mainPid }: UnitState): Promise<ProcessEntry | undefined> {
  return mainPid === 0 ? undefined : processEntry(mainPid);
}

/** The main one first. */
async function unitProcesses({ mainPid, controlGroup }: UnitState): Promise<ProcessEntry[]> {
  const lists = controlGroup === '' ? [] : GROUP_TREES.map((tree) => readFile(join(tree, controlGroup, 'cgroup.procs'), 'utf8'));
  const texts = await Promise.all(lists.map((list) => unlessGone(list)));
  const pids = new Set([mainPid, ...(texts.find((text) => text !== undefined) ?? '').split('\n').map(Number)]);
  const entries = await Promise.all([...pids].filter((pid) => pid > 0).map(processEntry));
  return entries.filter((entry): entry is ProcessEntry => entry?.isAlive === true);
}

/** What the server itself said last; empty where this user may not read it. */
async function journalTail(unit: string): Promise<string> {
  // Without the right to it, the last lines may be missing.
  await runCommand(['journalctl', '--sync'], { timeoutMs: COMMAND_TIMEOUT_MS }).catch(() => undefined);
  const command = ['journalctl', '--quiet', '--no-pager', '--output=cat', '--lines=10', `_SYSTEMD_UNIT=${unit}`];
  const said = await runCommand(command, { timeoutMs: COMMAND_TIMEOUT_MS }).catch(() => undefined);
  return said?.exitCode === 0 ? outputTail(said.stdout) : '';
}

function systemctl(args: readonly string[], code: ErrorCode): Promise<CommandResult> {
  // A person at a terminal is not to be asked for a password.
  return runManagerCommand(['systemctl', '--no-ask-password', ...args], {
    what: `systemctl ${args.join(' ')}`,
    code,
    timeoutMs: COMMAND_TIMEOUT_MS,
  });
}
