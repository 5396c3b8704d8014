import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { processesWithOpenFilesUnder } from '../process/open-files.ts';
import { signalProcess } from '../process/run-command.ts';
import { portState, type ServerAddress } from './ports.ts';
import type { Service } from './service.ts';

type StopProof = {
  /** One that rstow doesn't manage is not asked: the port and the files have to do. */
  readonly service: Service;
  readonly dataDir: string;
  readonly address: ServerAddress;
  readonly timeoutMs: number;
};

type Remains = { readonly sentences: string[]; readonly processes: string[] };

const PROOF_POLL_MS = 100;
const CONNECT_TIMEOUT_MS = 1_000;

/**
 * Returns once the server's process is gone, its port refuses and no other process has a file of wal/ open for writing:
 * nothing locks the data directory, so a server that still writes is seen only by these. Who only reads, such as `tail`,
 * may go on.
 * Fails: service-stop-failed, naming what is still there.
 */
export async function proveStopped(proof: StopProof): Promise<void> {
  const deadlineMs = performance.now() + proof.timeoutMs;
  for (;;) {
    const { sentences, processes } = await whatRemains(proof);
    if (sentences.length === 0) return;
    if (performance.now() >= deadlineMs) {
      throw new RstowError('service-stop-failed', `the server may still be running (${sentences.join('; ')})`, {
        details: { host: proof.address.host, port: proof.address.port, dataDir: proof.dataDir, processes },
      });
    }
    await sleep(PROOF_POLL_MS);
  }
}

async function whatRemains({ service, dataDir, address }: StopProof): Promise<Remains> {
  const sentences: string[] = [];
  if (service.isManaged && (await service.isRunning())) sentences.push('its service runs');
  const port = await portState(address, CONNECT_TIMEOUT_MS);
  if (port.kind !== 'closed') {
    sentences.push(`port ${address.host}:${address.port} ${port.kind === 'open' ? 'answers' : `is unclear (${port.reason})`}`);
  }
  const wal = join(dataDir, 'wal');
  const holders = await processesWithOpenFilesUnder(wal, { ignorePid: process.pid, writersOnly: true });
  const processes = holders.map(({ pid, command }) => `${pid} (${command})`);
  if (processes.length > 0) sentences.push(`${wal} is held open for writing by ${processes.join(', ')}`);
  return { sentences, processes };
}

const END_POLL_MS = 50;
const KILL_TIMEOUT_MS = 10_000;

type StopPatience = { /** From SIGINT, on which a server syncs its log, to SIGKILL. 0: SIGKILL at once. */ graceMs: number };

/**
 * Ends every process that has files under the folder open for writing: nothing locks a data directory, so
 * these are its servers, whoever started them. Fails: service-stop-failed. Twice: no-op.
 */
export async function endHolders(folder: string, { graceMs }: StopPatience): Promise<void> {
  if (graceMs > 0 && (await signalUntilGone(folder, 'SIGINT', graceMs))) return;
  if (await signalUntilGone(folder, 'SIGKILL', KILL_TIMEOUT_MS)) return;
  throw new RstowError('service-stop-failed', `processes that hold ${folder} open survive SIGKILL`, { details: { folder } });
}

async function signalUntilGone(folder: string, signal: NodeJS.Signals, timeoutMs: number): Promise<boolean> {
  const signalled = new Set<number>();
  for (let waitedMs = 0; waitedMs <= timeoutMs; waitedMs += END_POLL_MS) {
    const holders = await processesWithOpenFilesUnder(folder, { ignorePid: process.pid, writersOnly: true });
    if (holders.length === 0) return true;
    for (const { pid } of holders.filter((holder) => !signalled.has(holder.pid))) {
      signalled.add(pid);
      signalProcess(pid, signal);
    }
    await sleep(END_POLL_MS);
  }
  return false;
}
