/** A mutex among the processes of one host (one network namespace), which the kernel releases when its holder ends. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../core/errors/assert.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { processStartTicks } from '../process/proc.ts';
import { killSocketOwners, listeningSocketInode } from './listening-socket.ts';
import { askHolder, type HolderAnswer, type MutexHolder } from './mutex-holder.ts';

export type HostMutex = {
  /** Twice: nothing is left to do. */
  release(): Promise<void>;
};

export type HostMutexOptions = {
  /** What the holder does, for whoever waits: it gets this by asking. */
  readonly what: string;
  /** How long to wait for a holder that answers; 0: not at all. */
  readonly waitTimeoutMs: number;
  /** A holder that says nothing for so long is frozen and gets killed. Default 5000. */
  readonly answerTimeoutMs?: number;
  readonly signal?: AbortSignal;
};

const pollMs = 100;

/** A holder that hung up is ending, with all its memory, on a busy host; who would not wait for a holder still waits for that. */
const gonePatienceMs = 20_000;

/** Linux takes 107 bytes for an abstract name; the prefix is seven of them. */
const namePattern = /^[A-Za-z0-9:/._-]{1,90}$/;

/**
 * Waits for the mutex and takes it over from a frozen holder.
 * Fails: `busy`, naming the holder that answers; the signal's reason after an abort.
 */
export async function acquireHostMutex(name: string, options: HostMutexOptions): Promise<HostMutex> {
  assert(namePattern.test(name), 'a mutex name is short and plain');
  const socketName = `\0rstow/${name}`;
  const { waitTimeoutMs, answerTimeoutMs = 5_000, signal } = options;
  const deadlineMs = performance.now() + waitTimeoutMs;
  let goneSinceMs: number | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const server = await listen(socketName, await holderLine(options.what));
    if (server !== undefined) return { release: () => close(server) };
    // Before asking: if the mutex changes hands meanwhile, the new holder must not pay for the old one's silence.
    const inode = await listeningSocketInode(socketName);
    const answer = await askHolder(socketName, answerTimeoutMs);
    if (answer.kind === 'silent' && inode !== undefined && (await killSocketOwners(inode))) continue;
    goneSinceMs = answer.kind === 'gone' ? (goneSinceMs ?? performance.now()) : undefined;
    const untilMs = Math.max(deadlineMs, goneSinceMs === undefined ? 0 : goneSinceMs + gonePatienceMs);
    if (performance.now() >= untilMs) throw busy(name, answer);
    await sleep(pollMs);
  }
}

async function holderLine(what: string): Promise<string> {
  const startTicks = await processStartTicks(process.pid);
  assert(startTicks !== undefined, 'our own process is in /proc');
  const holder: MutexHolder = { pid: process.pid, startTicks, since: new Date().toISOString(), what };
  return `${JSON.stringify(holder)}\n`;
}

/** Undefined when somebody listens already. The socket is closed on exec, so no child inherits the mutex. */
async function listen(socketName: string, answerLine: string): Promise<Server | undefined> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(answerLine, () => socket.destroy());
  });
  server.listen(socketName);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
  // A failed accept harms only the one who asks, and it asks again.
  server.on('error', () => undefined);
  return server.unref();
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, 'close');
}

function busy(name: string, answer: HolderAnswer): RstowError {
  if (answer.kind !== 'holder') {
    return new RstowError('busy', `the mutex ${name} is held by a process that does not say who it is and can't be ended`, {
      details: { name },
    });
  }
  const { pid, since, what } = answer.holder;
  return new RstowError('busy', `process ${pid} has held the mutex ${name} since ${since} (${what})`, {
    details: { name, pid, since, what },
  });
}
