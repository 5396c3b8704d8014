import { readFile, readlink } from 'node:fs/promises';
import { readEnvironment, unlessGone } from './proc.ts';

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
