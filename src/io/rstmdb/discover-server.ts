import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../process/run-command.ts';
import { portHolders, processesWithOpenFilesUnder } from '../process/open-files.ts';
import { controlGroupOf, processEntry, type ProcessEntry, processLaunch, type ProcessLaunch } from '../process/proc.ts';

/** Where a database server is meant to be: `address` is `host:port`. */
export type ServerPlace = { readonly dataDir: string; readonly address: string };

/** A database server that runs already, and who has started it. */
export type FoundServer =
  /** Nobody that this user can see. */
  | { kind: 'unseen' }
  | { kind: 'container'; pid: number }
  | { kind: 'systemd'; pid: number; unit: string; launch: ProcessLaunch }
  | { kind: 'process'; pid: number; launch: ProcessLaunch };

const SYSTEMCTL_MS = 5_000;
const CONTAINER_GROUP = /docker|libpod|kubepods|containerd|crio|lxc|machine-/;

/** Finds the process behind the data directory, else behind the port, and how it was started. */
export async function discoverServer(place: ServerPlace): Promise<FoundServer> {
  const server = (await findServerProcess(place)) ?? (await portHolders(serverPort(place.address)))[0];
  const launch = server === undefined ? undefined : await processLaunch(server.pid);
  if (server === undefined || launch === undefined) return { kind: 'unseen' };
  const own = await controlGroupOf('self');
  const isElsewhere = launch.controlGroup !== own;
  if (!launch.isOfOurNamespace || (isElsewhere && CONTAINER_GROUP.test(launch.controlGroup))) return { kind: 'container', pid: server.pid };
  const unit = isElsewhere ? await unitOf(server, launch) : undefined;
  return unit === undefined ? { kind: 'process', pid: server.pid, launch } : { kind: 'systemd', pid: server.pid, unit, launch };
}

/**
 * The server's process on this host: the one that writes the log of the directory, and of several the one that listens
 * on the port. Undefined where none runs, or only one that this user can't look at.
 */
export async function findServerProcess({ dataDir, address }: ServerPlace): Promise<ProcessEntry | undefined> {
  const writers = await processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid, writersOnly: true });
  if (writers.length < 2) return writers[0];
  const listening = (await portHolders(serverPort(address))).map(({ pid }) => pid);
  return writers.find(({ pid }) => listening.includes(pid)) ?? writers[0];
}

function serverPort(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

/** A process can be in a unit's control group because somebody's shell was: only the unit's own main process counts. */
async function unitOf(server: ProcessEntry, { controlGroup }: ProcessLaunch): Promise<string | undefined> {
  const unit = controlGroup.split('/').at(-1) ?? '';
  if (!unit.endsWith('.service') || controlGroup.includes('/user@')) return undefined;
  const mainPid = await mainPidOf(unit);
  if (mainPid === undefined) return undefined;
  for (let pid = server.pid; pid > 1; pid = (await processEntry(pid))?.parentPid ?? 0) {
    if (pid === mainPid) return unit;
  }
  return undefined;
}

async function mainPidOf(unit: string): Promise<number | undefined> {
  try {
    await access('/run/systemd/system');
    const { exitCode, stdout } = await runCommand(['systemctl', 'show', '--property=MainPID', '--value', unit], {
      timeoutMs: SYSTEMCTL_MS,
    });
    const pid = Number(stdout.trim());
    return exitCode === 0 && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}
