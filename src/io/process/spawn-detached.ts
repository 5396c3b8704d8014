import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { assert } from '../../core/errors/assert.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { parseProcessEntry, type ProcessIdentity } from './proc.ts';

export type DetachedCommand = {
  readonly command: readonly string[];
  /** Added to our own environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Gets what the command says, appended; made with mode 0600. */
  readonly logFile: string;
};

/**
 * Starts a process in a session of its own that outlives us, however we end; it leads its process group.
 * Not by execa, which would write a log file through a pipe to us: the pipe would die with us.
 * Fails: `failed` when it can't be run.
 */
export async function spawnDetached(detached: DetachedCommand): Promise<ProcessIdentity> {
  const [file, ...parameters] = detached.command;
  assert(file !== undefined, 'a command names what to run');
  const log = await open(detached.logFile, 'a', 0o600);
  try {
    const child = spawn(file, parameters, {
      ...(detached.cwd === undefined ? {} : { cwd: detached.cwd }),
      // eslint-disable-next-line no-restricted-syntax -- handed on, not read: a server needs PATH, HOME and the like
      env: { ...process.env, ...detached.env },
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
    });
    if (child.pid === undefined) throw await spawnFailure(child, file);
    child.unref();
    return identityOfChild(child.pid);
  } finally {
    await log.close();
  }
}

async function spawnFailure(child: ChildProcess, file: string): Promise<RstowError> {
  const [cause] = (await once(child, 'error')) as [NodeJS.ErrnoException];
  return new RstowError('failed', `${file} could not be run: ${cause.code ?? 'unknown'}`, { cause });
}

/** Read at once, without yielding: even a child that has ended stays visible until our event loop turns. */
function identityOfChild(pid: number): ProcessIdentity {
  const { startTicks } = parseProcessEntry(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return { pid, startTicks };
}
