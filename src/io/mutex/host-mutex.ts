import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFile, stat } from 'node:fs/promises';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { type ProcessIdentity, processStartTicks } from '../process/proc.ts';
import { socketInodeOwners } from '../process/open-files.ts';

/** A mutex among the processes of one host (one network namespace), which the kernel releases when its holder ends. */
export type HostMutex = {
  /** Twice: nothing is left to do. */
  release(): Promise<void>;
};

type HostMutexOptions = {
  /** What the holder does, for whoever waits: it gets this by asking. */
  readonly what: string;
  /** How long to wait for a holder that answers; 0: not at all. */
  readonly waitTimeoutMs: number;
  /** A holder that says nothing for so long is frozen and gets killed. Default 5000. */
  readonly answerTimeoutMs?: number;
  readonly signal?: AbortSignal;
};

const POLL_MS = 100;
const ANSWER_TIMEOUT_MS = 5_000;

/** A holder that hung up is ending, with all its memory, on a busy host; who would not wait for a holder still waits for that. */
const GONE_PATIENCE_MS = 20_000;

/** Linux takes 107 bytes for an abstract name; the prefix is seven of them. */
const namePattern = /^[A-Za-z0-9:/._-]{1,90}$/;

/**
 * Waits for the mutex and takes it over from a frozen holder.
 * Fails: `busy`, naming the holder that answers; the signal's reason after an abort.
 */
export async function acquireHostMutex(name: string, options: HostMutexOptions): Promise<HostMutex> {
  assert(namePattern.test(name), 'a mutex name is short and plain');
  const socketName = socketNameOf(name);
  const { waitTimeoutMs, answerTimeoutMs = ANSWER_TIMEOUT_MS, signal } = options;
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
    const untilMs = Math.max(deadlineMs, goneSinceMs === undefined ? 0 : goneSinceMs + GONE_PATIENCE_MS);
    if (performance.now() >= untilMs) throw busy(name, answer);
    await sleep(POLL_MS);
  }
}

/** Whether a process holds the mutex now, be it frozen. */
export async function isHostMutexHeld(name: string): Promise<boolean> {
  return (await askHolder(socketNameOf(name), ANSWER_TIMEOUT_MS)).kind !== 'gone';
}

function socketNameOf(name: string): string {
  return `\0rstow/${name}`;
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

/** What the holder of a mutex says of itself. `since` is an ISO time. */
type MutexHolder = ProcessIdentity & { readonly since: string; readonly what: string };

/** `silent`: somebody listens and says nothing. `gone`: nobody listens any more, or it hung up on us. */
type HolderAnswer = { kind: 'holder'; holder: MutexHolder } | { kind: 'foreign' } | { kind: 'silent' } | { kind: 'gone' };

const ANSWER_BYTES_MAX = 4_096;

/**
 * Many short waits, not a long one: if it was WE who stood still (stopped, starved, the whole machine asleep),
 * only one of them is over when we wake, and an answer that came meanwhile is read before the others are.
 */
const ANSWER_SLICES = 10;

/** Asks who listens on an abstract socket. */
export function askHolder(socketName: string, answerTimeoutMs: number): Promise<HolderAnswer> {
  return new Promise((resolve) => {
    const socket = connect(socketName).setEncoding('utf8');
    let text = '';
    let slicesLeft = ANSWER_SLICES;
    const timer = setInterval(() => {
      slicesLeft -= 1;
      if (slicesLeft === 0) settle({ kind: 'silent' });
    }, answerTimeoutMs / ANSWER_SLICES);
    const settle = (answer: HolderAnswer): void => {
      clearInterval(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n') || text.length > ANSWER_BYTES_MAX) settle(parseAnswer(text));
    });
    socket.on('end', () => settle({ kind: 'gone' }));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      // EAGAIN: so many wait to be accepted that the queue is full. That is silence, and takes its time.
      if (code !== 'EAGAIN') settle({ kind: 'gone' });
    });
  });
}

function parseAnswer(text: string): HolderAnswer {
  try {
    const { pid, startTicks, since, what } = JSON.parse(text) as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof startTicks !== 'number') return { kind: 'foreign' };
    if (typeof since !== 'string' || typeof what !== 'string') return { kind: 'foreign' };
    return { kind: 'holder', holder: { pid, startTicks, since, what } };
  } catch {
    return { kind: 'foreign' };
  }
}

/** The flag of a socket that accepts connections, as opposed to one end of a connection. @see linux/net.h __SO_ACCEPTCON */
const LISTENING_FLAG = 0x10000;

/** Of the socket that a holder listens on, by what the kernel says; undefined if nobody does. In its list NUL is written as `@`. */
export async function listeningSocketInode(socketName: string): Promise<number | undefined> {
  const path = socketName.replace('\0', '@');
  const lines = (await readFile('/proc/net/unix', 'utf8')).split('\n');
  for (const line of lines) {
    const [, , , flags, , , inode, name] = line.split(/\s+/);
    if (name === path && (Number.parseInt(flags ?? '', 16) & LISTENING_FLAG) !== 0) return Number(inode);
  }
  return undefined;
}

/**
 * SIGKILLs who holds the socket, except ourselves: it ends stopped processes too, and the kernel frees the socket.
 * Returns whether anybody was ended: a process of another user or another container can't be.
 */
export async function killSocketOwners(inode: number): Promise<boolean> {
  const owners = (await socketInodeOwners(inode)).filter(({ pid }) => pid !== process.pid);
  return owners.map(({ pid }) => kill(pid)).includes(true);
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/**
 * The mutex of what changes a data directory, or of what archives it. By inode: two paths to one directory are one mutex.
 * Fails: data-directory-missing.
 */
export async function dataDirectoryMutexName(dataDir: string, part: 'data' | 'archive' = 'data'): Promise<string> {
  const { dev, ino } = await stat(dataDir, { bigint: true }).catch((cause: unknown) => {
    if (!['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
    throw new RstowError('data-directory-missing', `there is no ${dataDir}`, { details: { dataDir }, cause });
  });
  return `${dev}:${ino}/${part}`;
}
