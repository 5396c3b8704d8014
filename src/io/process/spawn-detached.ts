import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { parseProcessEntry, type ProcessIdentity } from './proc.ts';

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
