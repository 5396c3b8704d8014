/** What a process service keeps in its state directory: `service.json`, which process the server is, over restarts of the agent; and its log. */
import { copyFile, open, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { syncFolder } from '../files/durable.ts';
import { isSameProcessAlive, type ProcessIdentity, readBootId } from '../process/proc.ts';

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

const LOG_SIZE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Keeps a log that a running process appends to from growing for ever: what it holds becomes `<log>.1`, in place of what
 * was there, and the log begins anew. The process keeps its file, so a line written at that instant may be lost.
 * Twice: no-op.
 */
export async function boundLog(logFile: string, sizeBytesMax = LOG_SIZE_BYTES_MAX): Promise<void> {
  const sizeBytes = await sizeOf(logFile);
  if (sizeBytes <= sizeBytesMax) return;
  const staged = `${logFile}.1.tmp`;
  try {
    await copyFile(logFile, staged);
    await rename(staged, `${logFile}.1`);
  } finally {
    await rm(staged, { force: true });
    // Also on a full disk, where no copy can be made: this log is what fills it.
    await truncate(logFile);
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

const TAIL_BYTES = 4_096;
const TAIL_LINES = 10;

/** The last ten lines, without colours: as much as an error can carry. */
export function outputTail(output: string): string {
  return stripVTControlCharacters(output.slice(-TAIL_BYTES)).trim().split('\n').slice(-TAIL_LINES).join('\n');
}

/** The tail of a log file; empty where there is none. */
export async function logFileTail(logFile: string): Promise<string> {
  const log = await open(logFile, 'r').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (log === undefined) return '';
  try {
    const { size } = await log.stat();
    const { buffer, bytesRead } = await log.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, Math.max(0, size - TAIL_BYTES));
    return outputTail(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await log.close();
  }
}
