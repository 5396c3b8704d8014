import { readdir, readFile, readlink } from 'node:fs/promises';
import { assert } from '../../core/errors/rstow-error.ts';

/** What tells a process from a later one with the same number. `startTicks`: clock ticks from boot to its start. */
export type ProcessIdentity = { readonly pid: number; readonly startTicks: number };

/** `command` is the kernel's short name of it, at most 15 characters: an argv may hold what is not for everyone. */
export type ProcessEntry = ProcessIdentity & {
  readonly command: string;
  readonly parentPid: number;
  readonly processGroup: number;
  /** False for a zombie: it runs no code and holds nothing, only its parent has not asked yet. */
  readonly isAlive: boolean;
};

/** Of what the kernel shows to programs, on every machine that Node.js runs on. @see proc_pid_stat(5) sysconf(_SC_CLK_TCK) */
const TICKS_PER_SECOND = 100;

/** Undefined where no process has that number. */
export async function processStartTicks(pid: number): Promise<number | undefined> {
  return (await processEntry(pid))?.startTicks;
}

/** A zombie counts as dead, and so does a later process that got the same number. */
export async function isSameProcessAlive(identity: ProcessIdentity): Promise<boolean> {
  const entry = await processEntry(identity.pid);
  return entry !== undefined && entry.isAlive && entry.startTicks === identity.startTicks;
}

export async function processEntry(pid: number): Promise<ProcessEntry | undefined> {
  const text = await unlessGone(readFile(`/proc/${pid}/stat`, 'utf8'));
  return text === undefined ? undefined : parseProcessEntry(text);
}

/** @see proc_pid_stat(5): the name stands in parentheses and may itself hold blanks and parentheses. */
export function parseProcessEntry(text: string): ProcessEntry {
  const nameStart = text.indexOf('(');
  const nameEnd = text.lastIndexOf(')');
  const [state, parentPid, processGroup, ...others] = text.slice(nameEnd + 2).split(' ');
  return {
    pid: Number(text.slice(0, nameStart)),
    startTicks: Number(others[16]),
    command: text.slice(nameStart + 1, nameEnd),
    parentPid: Number(parentPid),
    processGroup: Number(processGroup),
    isAlive: state !== 'Z' && state !== 'X',
  };
}

/** Of this boot of the host: process numbers and their ticks mean something within one boot only. */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/**
 * When the host was booted, as its clock is set now (Unix ms, to some 50 ms): `startTicks` of a process count from there.
 * It moves if the clock is set, and while the host is suspended.
 */
export async function bootedAtMs(): Promise<number> {
  const ownTicks = await processStartTicks(process.pid);
  assert(ownTicks !== undefined, 'our own process is in /proc');
  return Date.now() - performance.now() - ticksMs(ownTicks);
}

export function ticksMs(ticks: number): number {
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/** What the process was started with, by name; undefined where it is gone or another user's. */
export async function readEnvironment(pid: number): Promise<Map<string, string> | undefined> {
  const text = await unlessGone(readFile(`/proc/${pid}/environ`, 'utf8'));
  if (text === undefined) return undefined;
  const entries = text.split('\0').filter((entry) => entry.includes('='));
  return new Map(entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]));
}

/** When the process was started (Unix ms), to about a second; undefined where the kernel doesn't say when it booted. */
export async function processStartedAtMs({ startTicks }: ProcessIdentity): Promise<number | undefined> {
  const bootSeconds = /^btime ([0-9]+)$/m.exec(await readFile('/proc/stat', 'utf8'))?.[1];
  return bootSeconds === undefined ? undefined : Number(bootSeconds) * 1000 + ticksMs(startTicks);
}

/** The memory that a process holds; undefined where it is gone. @see proc_pid_status(5) VmRSS */
export async function residentBytes(pid: number): Promise<number | undefined> {
  const kibibytes = /^VmRSS:\s+([0-9]+) kB$/m.exec((await unlessGone(readFile(`/proc/${pid}/status`, 'utf8'))) ?? '')?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Living processes whose environment holds `NAME=value`; others' environments only root can read. */
export async function processesWithEnvironment(name: string, value: string): Promise<ProcessEntry[]> {
  const wanted = `${name}=${value}`;
  return livingProcesses(async (pid) => {
    const environment = await unlessGone(readFile(`/proc/${pid}/environ`, 'utf8'));
    return environment?.split('\0').includes(wanted) ?? false;
  });
}

/** Living processes that the predicate holds for. */
export async function livingProcesses(holds: (pid: number) => Promise<boolean>): Promise<ProcessEntry[]> {
  const found: ProcessEntry[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || !(await holds(pid))) continue;
    const entry = await processEntry(pid);
    if (entry?.isAlive === true) found.push(entry);
  }
  return found;
}

/** Undefined when the process ended meanwhile or is another user's: either way it can't be looked at. */
export async function unlessGone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code)) return undefined;
    throw error;
  }
}

/** How a process was started, as far as the kernel remembers. */
export type ProcessLaunch = {
  /** The program by its absolute path, and its arguments. */
  readonly command: readonly string[];
  readonly environment: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  /** Beyond `gid`. */
  readonly groups: readonly number[];
  /** The path of its control group, `/` where there is none. */
  readonly controlGroup: string;
  /** Whether it counts processes as we do; one in a container mostly doesn't. */
  readonly isOfOurNamespace: boolean;
};

/** Undefined where the process is gone, or another user's. */
export async function processLaunch(pid: number): Promise<ProcessLaunch | undefined> {
  const program = await programOf(pid);
  const commandLine = await unlessGone(readFile(`/proc/${pid}/cmdline`, 'utf8'));
  const environment = await readEnvironment(pid);
  const cwd = await unlessGone(readlink(`/proc/${pid}/cwd`));
  const status = await unlessGone(readFile(`/proc/${pid}/status`, 'utf8'));
  if (program === undefined || commandLine === undefined || environment === undefined) return undefined;
  if (cwd === undefined || status === undefined) return undefined;
  const { uid, gid, groups } = identityIn(status);
  return {
    command: [program, ...commandLine.split('\0').slice(1, -1)],
    environment,
    cwd,
    uid,
    gid,
    groups: groups.filter((group) => group !== gid),
    controlGroup: await controlGroupOf(String(pid)),
    isOfOurNamespace: (await namespaceOf(String(pid))) === (await namespaceOf('self')),
  };
}

/** The program's absolute path, also after a newer one has taken its place. */
export async function programOf(pid: number): Promise<string | undefined> {
  return (await unlessGone(readlink(`/proc/${pid}/exe`)))?.replace(/ \(deleted\)$/, '');
}

export async function controlGroupOf(pid: string): Promise<string> {
  return controlGroupIn((await unlessGone(readFile(`/proc/${pid}/cgroup`, 'utf8'))) ?? '');
}

/** In version 2's one tree or in systemd's own of version 1, whichever says where. @see cgroups(7) */
export function controlGroupIn(text: string): string {
  const paths = [...text.matchAll(/^(?:0:|[0-9]+:name=systemd):(.*)$/gm)].map(([, path = '/']) => path);
  return paths.find((path) => path !== '/') ?? '/';
}

/** @see proc_pid_status(5): real, effective, saved and file system ids */
function identityIn(status: string): { uid: number; gid: number; groups: number[] } {
  const numbers = (name: string): number[] =>
    (new RegExp(`^${name}:(.*)$`, 'm').exec(status)?.[1] ?? '').split(/\s+/).filter(Boolean).map(Number);
  return { uid: numbers('Uid')[1] ?? 0, gid: numbers('Gid')[1] ?? 0, groups: numbers('Groups') };
}

async function namespaceOf(pid: string): Promise<string | undefined> {
  return unlessGone(readlink(`/proc/${pid}/ns/pid`));
}
