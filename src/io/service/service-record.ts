/** `service.json`: which process the server is, over restarts of the agent. */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../files/durable.ts';
import { isSameProcessAlive, type ProcessIdentity } from '../process/proc.ts';

type ServiceRecord = ProcessIdentity & {
  /** Start ticks count from boot: on the next boot another process may have the same number and ticks. */
  readonly bootId: string;
  /** For a person who reads the file. */
  readonly command: readonly string[];
};

/** Twice: the newer record replaces the older as a whole. */
export async function writeServiceRecord(
  stateDir: string,
  { pid, startTicks }: ProcessIdentity,
  command: readonly string[],
): Promise<void> {
  const record: ServiceRecord = { pid, startTicks, bootId: await readBootId(), command };
  const file = recordFile(stateDir);
  const staged = await open(`${file}.new`, 'w', 0o600);
  try {
    await staged.writeFile(`${JSON.stringify(record)}\n`);
    await staged.sync();
  } finally {
    await staged.close();
  }
  await rename(`${file}.new`, file);
  await syncFolder(stateDir);
}

/** The recorded process while it lives; a damaged or foreign file names none. */
export async function recordedProcess(stateDir: string): Promise<ProcessIdentity | undefined> {
  const record = parseServiceRecord(await readFile(recordFile(stateDir), 'utf8').catch(emptyWhereMissing));
  if (record === undefined || record.bootId !== (await readBootId())) return undefined;
  return (await isSameProcessAlive(record)) ? record : undefined;
}

export async function removeServiceRecord(stateDir: string): Promise<void> {
  await rm(recordFile(stateDir), { force: true });
}

function recordFile(stateDir: string): string {
  return join(stateDir, 'service.json');
}

async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

function emptyWhereMissing(error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
  throw error;
}

function parseServiceRecord(text: string): Omit<ServiceRecord, 'command'> | undefined {
  try {
    const { pid, startTicks, bootId } = JSON.parse(text) as Record<string, unknown>;
    const isWhole = Number.isSafeInteger(pid) && Number.isSafeInteger(startTicks) && typeof bootId === 'string';
    return isWhole ? { pid: pid as number, startTicks: startTicks as number, bootId } : undefined;
  } catch {
    return undefined;
  }
}
