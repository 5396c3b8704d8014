import { access } from 'node:fs/promises';
import { runCommand } from '../process/run-command.ts';
import { portHolders } from '../process/port-holders.ts';
import { processEntry, type ProcessEntry } from '../process/proc.ts';
import { controlGroupOf, processLaunch, type ProcessLaunch } from '../process/process-launch.ts';
import { findServerProcess, type ServerPlace, serverPort } from './find-server-process.ts';

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
  const server = (await findServerProcess(place)) ?? (await portHolders(serverPort(place)))[0];
  const launch = server === undefined ? undefined : await processLaunch(server.pid);
  if (server === undefined || launch === undefined) return { kind: 'unseen' };
  const own = await controlGroupOf('self');
  const isElsewhere = launch.controlGroup !== own;
  if (!launch.isOfOurNamespace || (isElsewhere && CONTAINER_GROUP.test(launch.controlGroup))) return { kind: 'container', pid: server.pid };
  const unit = isElsewhere ? await unitOf(server, launch) : undefined;
  return unit === undefined ? { kind: 'process', pid: server.pid, launch } : { kind: 'systemd', pid: server.pid, unit, launch };
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
