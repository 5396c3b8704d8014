/** What a run must not leave behind: looked for in the data directory, the repository, and among all processes. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { livingProcesses, unlessGone } from '../../../src/io/process/proc.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import type { Scene } from '../../support/scene.ts';
import { lockWorkflowId } from '../../../src/contract/names.ts';
import { isServerBlocked } from './kill-point.ts';

/** A watchdog looks every 250 ms whether it is still needed. */
const PATIENCE_MS = 60_000;
const POLL_MS = 100;

/** Sentences about what the run has left; empty where all is as it should be, at once or within a few seconds. */
export async function leftBehind(scene: Scene, runId: string): Promise<string[]> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = [...(await leftOnDisk(scene.stack, runId)), ...(await leftRunning(scene.stack)), ...(await leftInTemporal(scene))];
    if (found.length === 0 || Date.now() > deadlineMs) return found;
    await sleep(POLL_MS);
  }
}

/** The replaced data of a restore are kept on purpose, and for how long they were. */
export async function leftOnDisk(stack: DatabaseStack, runId: string): Promise<string[]> {
  const { dataDir, folder } = stack;
  const paths = (await filesAndFolders(dataDir)).map((path) => relative(dataDir, path));
  const root = `.rstow/restores/${runId}`;
  const isKept = (path: string): boolean => `${root}/replaced/`.startsWith(`${path}/`) || path.startsWith(`${root}/replaced/`);
  const isOurs = (path: string): boolean => path.includes(runId) && !isKept(path) && path !== `${root}/kept-ms`;
  const odd = paths.filter((path) => isOurs(path) || /\.(partial|tmp)$|stop\.json/.test(path));
  const scratch = (await filesAndFolders(join(folder, 'agent/scratch'))).filter((path) => path.includes(runId));
  return [...odd, ...scratch, ...(isServerBlocked(stack) ? ['snapshots is a file that lets no server start'] : [])];
}

/** One server, on the right directory; no watchdog; nobody in the rehearsal, in replaced data or in a scratch place. */
export async function leftRunning(stack: DatabaseStack): Promise<string[]> {
  const places = [stack.dataDir, join(stack.folder, 'agent/scratch')];
  const servers = await processesOf(
    (environment) => environment.some((entry) => places.some((place) => entry.startsWith(`RSTMDB_DATA=${place}`))),
    'rstmdb',
  );
  const [server] = servers;
  const watchdogs = await watchdogsOf(stack);
  return [
    ...(servers.length === 1 && server !== undefined && server.environment.includes(`RSTMDB_DATA=${stack.dataDir}`)
      ? []
      : [`${servers.length} servers run: ${servers.map(({ pid }) => pid).join(', ')}`]),
    ...watchdogs.map((pid) => `watchdog ${pid} still runs`),
  ];
}

async function leftInTemporal({ temporal }: Scene): Promise<string[]> {
  const { status } = await temporal.client.workflow.getHandle(lockWorkflowId(DATABASE)).describe();
  return status.name === 'RUNNING' ? ['the lock is still held'] : [];
}

/** Processes that watch a stop note of the stack. */
export async function watchdogsOf(stack: DatabaseStack): Promise<number[]> {
  const isOurs = (argument: string): boolean => argument.startsWith(stack.folder);
  const found = await livingProcesses(async (pid) => {
    const argv = ((await unlessGone(readFile(`/proc/${pid}/cmdline`, 'utf8'))) ?? '').split('\0');
    return argv.some((argument) => argument.includes('stop-note-watchdog-main')) && argv.some(isOurs);
  });
  return found.map(({ pid }) => pid);
}

type FoundProcess = { pid: number; environment: string[] };

async function processesOf(holds: (environment: string[]) => boolean, command: string): Promise<FoundProcess[]> {
  const found: FoundProcess[] = [];
  const living = await livingProcesses(async (pid) => {
    const environment = ((await unlessGone(readFile(`/proc/${pid}/environ`, 'utf8'))) ?? '').split('\0');
    if (!holds(environment)) return false;
    found.push({ pid, environment });
    return true;
  });
  const pids = new Set(living.filter((entry) => entry.command === command).map(({ pid }) => pid));
  return found.filter(({ pid }) => pids.has(pid));
}

async function filesAndFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return entries.map((entry) => join(entry.parentPath, entry.name));
}
