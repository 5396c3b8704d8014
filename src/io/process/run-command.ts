import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { execa as Execa } from 'execa';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { parseProcessEntry, type ProcessIdentity } from './proc.ts';

type CommandOptions = {
  readonly cwd?: string;
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly input?: string | Uint8Array;
};

/** The last 64 KiB of each stream. A command that a signal ended has 128 + the signal's number, as in a shell. */
export type CommandResult = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

type Subprocess = ReturnType<typeof spawnPiped>;

const OUTPUT_TAIL_BYTES = 65_536;

/** Between SIGTERM and SIGKILL. */
const TERMINATION_GRACE_MS = 2_000;

/** What a command leaves running in the background may hold its output open for ever; this long we still read. */
const DRAIN_MS = 300;

/**
 * Runs one argv, without a shell, as a process group of its own; a timeout or an abort ends the whole group. One that has
 * become another user's, as `sudo` makes it, can't be ended: it is left to itself.
 * Fails: `failed` when it can't be run or takes longer than `timeoutMs`; the signal's reason after an abort.
 */
export async function runCommand(command: readonly string[], options: CommandOptions): Promise<CommandResult> {
  // Loaded here only: what stands before a server's start has no time for what it doesn't need.
  const { execa } = await import('execa');
  options.signal?.throwIfAborted();
  const subprocess = spawnPiped(execa, command, options);
  const stdout = keepTail(subprocess.stdout);
  const stderr = keepTail(subprocess.stderr);
  const { isWanted, refused } = endGroupIfWanted(subprocess, options);
  stopReadingAfterExit(subprocess);
  const result = await Promise.race([subprocess, refused]);
  if (isWanted() || result === 'refused') {
    options.signal?.throwIfAborted();
    throw tookTooLong(command, options, result === 'refused' ? 'can’t be ended, for it runs as another user' : 'was ended');
  }
  const exitCode = result.signal === undefined ? result.exitCode : 128 + constants.signals[result.signal];
  if (exitCode === undefined) {
    throw new RstowError('failed', `${String(command[0])} could not be run: ${result.code ?? 'unknown'}`, { cause: result.cause });
  }
  return { exitCode, stdout: stdout(), stderr: stderr() };
}

function tookTooLong([file]: readonly string[], { timeoutMs }: CommandOptions, outcome: string): RstowError {
  return new RstowError('failed', `${String(file)} took longer than ${timeoutMs} ms and ${outcome}`, { details: { timeoutMs } });
}

function spawnPiped(execa: typeof Execa, command: readonly string[], options: CommandOptions) {
  const [file, ...parameters] = command;
  assert(file !== undefined, 'a command names what to run');
  return execa(file, parameters, {
    cwd: options.cwd ?? process.cwd(),
    env: options.env ?? {},
    input: options.input ?? '',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
    detached: true,
    cleanup: false,
  });
}

function keepTail(stream: Readable): () => string {
  let kept = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-OUTPUT_TAIL_BYTES);
  });
  return () => kept.toString('utf8');
}

type Ending = {
  /** Whether the command's end is wanted; nothing of its group outlives that. */
  isWanted: () => boolean;
  /** Fulfils when the system doesn't let us end it. */
  refused: Promise<'refused'>;
};

function endGroupIfWanted({ pid, nodeChildProcess }: Subprocess, { timeoutMs, signal }: CommandOptions): Ending {
  const { promise: refused, resolve: refuse } = Promise.withResolvers<'refused'>();
  if (pid === undefined) return { isWanted: () => false, refused };
  let isEnding = false;
  let killTimer: NodeJS.Timeout | undefined;
  const send = (name: NodeJS.Signals): void => {
    if (!signalIfPermitted(pid, name)) refuse('refused');
  };
  const end = (): void => {
    if (isEnding) return;
    isEnding = true;
    send('SIGTERM');
    killTimer = setTimeout(() => send('SIGKILL'), TERMINATION_GRACE_MS);
  };
  const timer = setTimeout(end, timeoutMs);
  signal?.addEventListener('abort', end);
  nodeChildProcess.once('exit', () => {
    clearTimeout(timer);
    clearTimeout(killTimer);
    signal?.removeEventListener('abort', end);
    if (isEnding) send('SIGKILL');
  });
  return { isWanted: () => isEnding, refused };
}

/** A failure would end this whole process here, for it is thrown by a timer. False if all of the group are another user's. */
function signalIfPermitted(processGroup: number, signal: NodeJS.Signals): boolean {
  try {
    signalProcessGroup(processGroup, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM') return false;
    throw error;
  }
}

function stopReadingAfterExit({ nodeChildProcess, stdout, stderr }: Subprocess): void {
  nodeChildProcess.once('exit', () => {
    const timer = setTimeout(() => {
      stdout.destroy();
      stderr.destroy();
    }, DRAIN_MS);
    nodeChildProcess.once('close', () => clearTimeout(timer));
  });
}

/** Signals every process of a group. Twice: a group that is gone already is no failure. */
export function signalProcessGroup(processGroup: number, signal: NodeJS.Signals): void {
  assert(Number.isSafeInteger(processGroup) && processGroup > 1, 'a process group is above 1: -1 would mean every process');
  try {
    process.kill(-processGroup, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Twice: a process that is gone already is no failure. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  assert(Number.isSafeInteger(pid) && pid > 1, 'a process that is signalled is above 1');
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export type DetachedCommand = {
  readonly command: readonly string[];
  /** Added to our own environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  /** Gets what the command says, appended; made with mode 0600. */
  readonly logFile: string;
};

/**
 * Starts a process in a session of its own that outlives us, however we end; it leads its process group.
 * Not by execa, which would write a log file through a pipe to us: the pipe would die with us.
 * Fails: `failed` when it can't be run.
 */
export async function spawnDetached(detached: DetachedCommand): Promise<ProcessIdentity> {
  return withLog(detached, async (log) => {
    const child = spawnChild(detached, ['ignore', log, log]);
    if (child.pid === undefined) throw await spawnFailure(child, detached);
    return identityOfChild(child.pid);
  });
}

/**
 * The same for a process that says one line on its file descriptor 3 before it goes on by itself. Gives the line;
 * undefined where it ends, or `timeoutMs` pass, without one.
 */
export async function spawnTelling(detached: DetachedCommand, timeoutMs: number): Promise<string | undefined> {
  return withLog(detached, async (log) => {
    const child = spawnChild(detached, ['ignore', log, log, 'pipe']);
    if (child.pid === undefined) throw await spawnFailure(child, detached);
    const pipe = child.stdio[3] as Readable;
    try {
      return await firstLine(pipe, AbortSignal.timeout(timeoutMs));
    } finally {
      pipe.destroy();
    }
  });
}

async function withLog<T>({ logFile }: DetachedCommand, use: (descriptor: number) => Promise<T>): Promise<T> {
  const log = await open(logFile, 'a', 0o600);
  try {
    return await use(log.fd);
  } finally {
    await log.close();
  }
}

function spawnChild({ command, env, cwd }: DetachedCommand, stdio: StdioOptions): ChildProcess {
  const [file, ...parameters] = command;
  assert(file !== undefined, 'a command names what to run');
  const child = spawn(file, parameters, {
    cwd,
    // eslint-disable-next-line no-restricted-syntax -- handed on, not read: a server needs PATH, HOME and the like
    env: { ...process.env, ...env },
    stdio,
    detached: true,
  });
  child.unref();
  return child;
}

async function firstLine(pipe: Readable, signal: AbortSignal): Promise<string | undefined> {
  const lines = createInterface({ input: pipe, signal });
  for await (const line of lines) return line;
  return undefined;
}

async function spawnFailure(child: ChildProcess, { command }: DetachedCommand): Promise<RstowError> {
  const [cause] = (await once(child, 'error')) as [NodeJS.ErrnoException];
  return new RstowError('failed', `${command[0] ?? ''} could not be run: ${cause.code ?? 'unknown'}`, { cause });
}

/** Read at once, without yielding: even a child that has ended stays visible until our event loop turns. */
function identityOfChild(pid: number): ProcessIdentity {
  const { startTicks } = parseProcessEntry(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return { pid, startTicks };
}
