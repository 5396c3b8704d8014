import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import type { Socket } from 'node:net';
import { Duplex, type Readable, type Writable } from 'node:stream';
import { assert, boundedText, RstowError } from '../../core/errors/rstow-error.ts';
import { signalProcessGroup } from './run-command.ts';

/** Nothing that a command of ours says in good order comes near it. */
const SAID_LENGTH_MAX = 16_384;

export type OutputOptions = {
  /** An open file that it reads; nothing if absent. */
  stdin?: number;
  /** What an end other than 0 means; it gets the last of what the command said. */
  failure?: (said: string) => Error;
};

/**
 * What a command prints, as it comes: of any size, and no faster than it is read, without a shell. It ends only once the command has ended
 * well. A reader that stops early ends it, and whatever it has started. Fails: failed, with what it said, or as `failure` says; the signal's
 * reason after an abort.
 */
export async function* commandOutput(
  command: readonly string[],
  signal: AbortSignal,
  { stdin, failure }: OutputOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const running = start(command, signal, stdin ?? 'ignore');
  try {
    for await (const chunk of running.stdout) yield chunk as Uint8Array;
    await running.endedWell(failure);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    running.kill();
  }
}

/**
 * Hands a command all of the source, and returns when it has ended well. If the source fails, the command is killed, so that it takes no part
 * for the whole. Whatever happens, it has ended when this returns. Fails: as `commandOutput`, as the source.
 */
export async function commandInput(command: readonly string[], source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  const { child, stdout, endedWell, ended, kill } = start(command, signal, 'pipe');
  const { stdin } = child;
  assert(stdin !== null, 'what is piped has streams');
  // A pipe that breaks is told by how the command ends.
  stdin.on('error', () => undefined);
  stdout.resume();
  try {
    await pipeline(source, stdin, { signal });
  } catch (error) {
    const isRefused = (error as NodeJS.ErrnoException).code === 'EPIPE';
    if (!isRefused) kill();
    await ended;
    signal.throwIfAborted();
    // What the command said is why it reads no more.
    if (isRefused) await endedWell();
    throw error;
  }
  await endedWell();
}

export type Filter = {
  /** What is run. It gets the secret on its file descriptor 3, so that neither argv nor the environment shows it. */
  begin: () => Promise<{ command: readonly string[]; secret?: string | undefined }>;
  /** What its end means; undefined if it has done its part. It gets the last of what the command said; there may be no such command. */
  fault: (end: { said: string; isGood: boolean; isMissing: boolean }) => Error | undefined;
};

/**
 * A command as a stage of a stream. It ends only once the command has ended and `fault` has found none; a stage that is destroyed kills the
 * command, and is gone when that is. Done with a chunk when it calls back. Fails: as `begin`; failed, if it can't be run; as `fault` says.
 */
export function commandFilter({ begin, fault }: Filter): Duplex {
  let running: Running | undefined;
  const stdin = (): Writable => running?.child.stdin as Writable;
  return new Duplex({
    readableHighWaterMark: FILTER_BUFFER_BYTES,
    construct(done) {
      const beginning = begin().then((what) => {
        running = startFilter(this, what);
        void endOfFilter(this, running, fault);
      });
      beginning.then(() => done(), done);
    },
    write: (chunk: Buffer, _encoding, done) => void stdin().write(chunk, () => done()),
    final: (done) => void stdin().end(() => done()),
    read: () => void running?.stdout.resume(),
    destroy: (error, done) => {
      running?.kill();
      void Promise.resolve(running?.ended).then(() => done(error));
    },
  });
}

function startFilter(stage: Duplex, { command, secret }: Awaited<ReturnType<Filter['begin']>>): Running {
  const running = start(command, new AbortController().signal, secret === undefined ? 'pipe' : 'pipe-and-secret');
  const { child, stdout } = running;
  // A pipe that breaks is told by how the command ends.
  child.stdin?.on('error', () => undefined);
  if (secret !== undefined) (child.stdio[3] as Writable).on('error', () => undefined).end(secret);
  stdout.on('data', (chunk: Buffer) => {
    if (!stage.push(chunk)) stdout.pause();
  });
  return running;
}

async function endOfFilter(stage: Duplex, { exitCode, said }: Running, fault: Filter['fault']): Promise<void> {
  try {
    const isGood = (await exitCode) === 0;
    const found = fault({ said: said(), isGood, isMissing: false });
    if (found === undefined) stage.push(null);
    else stage.destroy(found);
  } catch (error) {
    const isMissing = error instanceof RstowError && error.details['errno'] === 'ENOENT';
    stage.destroy(fault({ said: '', isGood: false, isMissing }) ?? (error as Error));
  }
}

/** About what a pipe takes at once. */
const FILTER_BUFFER_BYTES = 1024 * 1024;

/**
 * Starts a command that says a line when it is ready, and ends when its input does: with us at the latest. It keeps nobody from ending.
 * False if it ended without a line. Fails: failed, if it can't be run.
 */
export async function holdCommand(command: readonly string[]): Promise<boolean> {
  const { child, stdout, exitCode } = start(command, new AbortController().signal, 'pipe');
  const isReady = await Promise.race([once(stdout, 'data').then(() => true), exitCode.then(() => false)]);
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as Socket).on('error', () => undefined).unref();
  return isReady;
}

type Running = {
  child: ChildProcess;
  stdout: Readable;
  /** Never fails. */
  ended: Promise<unknown>;
  /** Null if a signal has ended it. Fails: failed, if it can't be run. */
  exitCode: Promise<number | null>;
  said: () => string;
  /** Fails: failed, or as it is told, unless the command has ended with 0; the signal's reason. */
  endedWell: (failure?: (said: string) => Error) => Promise<void>;
  /** Ends it and all that it has started. Twice: no-op. */
  kill: () => void;
};

/** It leads a process group, so that nothing of it is left running. */
function start(command: readonly string[], signal: AbortSignal, stdin: number | 'pipe' | 'pipe-and-secret' | 'ignore'): Running {
  signal.throwIfAborted();
  const [file, ...args] = command;
  assert(file !== undefined, 'a command names what to run');
  // eslint-disable-next-line no-restricted-syntax -- handed on, not read: it needs PATH and the like
  const env = { ...process.env, LC_ALL: 'C' };
  const stdio: StdioOptions = stdin === 'pipe-and-secret' ? ['pipe', 'pipe', 'pipe', 'pipe'] : [stdin, 'pipe', 'pipe'];
  const child = spawn(file, args, { env, stdio, detached: true, cwd: '/' });
  const { stdout, stderr } = child;
  assert(stdout !== null && stderr !== null, 'what is piped has streams');
  let said = '';
  stderr.setEncoding('utf8').on('data', (chunk: string) => (said = `${said}${chunk}`.slice(-SAID_LENGTH_MAX)));
  const kill = (): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) signalProcessGroup(child.pid, 'SIGKILL');
  };
  signal.addEventListener('abort', kill, { once: true });
  const end = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const ended = end.catch(() => undefined).finally(() => signal.removeEventListener('abort', kill));
  const ending = { file, end: end.catch((cause: unknown) => Promise.reject(notRun(file, cause))), signal, said: () => said.trim() };
  const exitCode = ending.end.then(([code]) => code);
  // Who asks hears it; nobody has to.
  exitCode.catch(() => undefined);
  return { child, stdout, ended, exitCode, said: ending.said, kill, endedWell: (failure) => requireGoodEnd(ending, failure) };
}

function notRun(file: string, cause: unknown): RstowError {
  const { code } = cause as NodeJS.ErrnoException;
  return new RstowError('failed', `${file} could not be run: ${code ?? 'unknown'}`, { details: { errno: code ?? null }, cause });
}

type Ending = { file: string; end: Promise<[number | null, NodeJS.Signals | null]>; signal: AbortSignal; said: () => string };

async function requireGoodEnd({ file, end, signal, said }: Ending, failure?: (said: string) => Error): Promise<void> {
  const [exitCode, exitSignal] = await end;
  signal.throwIfAborted();
  if (exitCode === 0) return;
  if (failure !== undefined) throw failure(said());
  const how = exitCode === null ? String(exitSignal) : `exit code ${exitCode}`;
  throw new RstowError('failed', `${file} failed (${how}): ${boundedText(said().replaceAll('\n', ' '))}`, { details: { tool: file } });
}
