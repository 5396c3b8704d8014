import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';

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

type Subprocess = ReturnType<typeof spawn>;

const OUTPUT_TAIL_BYTES = 65_536;

/** Between SIGTERM and SIGKILL. */
const TERMINATION_GRACE_MS = 2_000;

/** What a command leaves running in the background may hold its output open for ever; this long we still read. */
const DRAIN_MS = 300;

/**
 * Runs one argv, without a shell, as a process group of its own; a timeout or an abort ends the whole group.
 * Fails: `failed` when it can't be run or takes longer than `timeoutMs`; the signal's reason after an abort.
 */
export async function runCommand(command: readonly string[], options: CommandOptions): Promise<CommandResult> {
  options.signal?.throwIfAborted();
  const subprocess = spawn(command, options);
  const stdout = keepTail(subprocess.stdout);
  const stderr = keepTail(subprocess.stderr);
  const wasEnded = endGroupIfWanted(subprocess, options);
  stopReadingAfterExit(subprocess);
  const result = await subprocess;
  if (wasEnded()) {
    options.signal?.throwIfAborted();
    throw new RstowError('failed', `${String(command[0])} took longer than ${options.timeoutMs} ms and was ended`, {
      details: { timeoutMs: options.timeoutMs },
    });
  }
  const exitCode = result.signal === undefined ? result.exitCode : 128 + constants.signals[result.signal];
  if (exitCode === undefined) {
    throw new RstowError('failed', `${String(command[0])} could not be run: ${result.code ?? 'unknown'}`, { cause: result.cause });
  }
  return { exitCode, stdout: stdout(), stderr: stderr() };
}

function spawn(command: readonly string[], options: CommandOptions) {
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

/** Returns whether the command was ended by us; nothing of its group outlives that. */
function endGroupIfWanted({ pid, nodeChildProcess }: Subprocess, { timeoutMs, signal }: CommandOptions): () => boolean {
  if (pid === undefined) return () => false;
  let isEnding = false;
  let killTimer: NodeJS.Timeout | undefined;
  const end = (): void => {
    if (isEnding) return;
    isEnding = true;
    signalProcessGroup(pid, 'SIGTERM');
    killTimer = setTimeout(() => signalProcessGroup(pid, 'SIGKILL'), TERMINATION_GRACE_MS);
  };
  const timer = setTimeout(end, timeoutMs);
  signal?.addEventListener('abort', end);
  nodeChildProcess.once('exit', () => {
    clearTimeout(timer);
    clearTimeout(killTimer);
    signal?.removeEventListener('abort', end);
    if (isEnding) signalProcessGroup(pid, 'SIGKILL');
  });
  return () => isEnding;
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
