import { setTimeout as delay } from 'node:timers/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Warning } from '../../contract/result.ts';
import { errnoOf, systemMessage } from '../../io/files/errno.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { storeInPlace, unsaved } from './store-replaced.ts';
import { type TailInput, writeTail } from './write-tail.ts';

/** `isRequired`: where the repository can't take it, nothing is swapped. */
export type TailWanted = Omit<TailInput, 'database'> & { isRequired: boolean };

/** `savedAs`: the backup that holds all of what is about to be replaced. */
export type KeptTail = { savedAs?: string; unsaved?: Warning };

/**
 * Stores what no backup holds of a log whose server is stopped, and makes it a backup of its history, in the time that
 * may pass meanwhile. Fails: repository-unavailable, not-enough-space, owner-outdated, where it is required.
 */
export async function storeTail(
  deps: ActivityDeps,
  tail: TailWanted & { database: string; limitMs: number },
  run: RunPort,
): Promise<KeptTail> {
  const ended = new AbortController();
  const signal = AbortSignal.any([run.signal, ended.signal]);
  try {
    return await Promise.race([keep(deps, tail, { ...run, signal }), tooLate(tail.limitMs, ended.signal)]);
  } catch (error) {
    run.signal.throwIfAborted();
    if (tail.isRequired) throw error;
    if (error instanceof RstowError) return { unsaved: unsaved(error.code, error.message) };
    if (errnoOf(error) === undefined) throw error;
    return { unsaved: unsaved('failed', systemMessage(error as Error)) };
  } finally {
    // A hung disk answers to no signal: what still comes of it stores bytes that the history has, and no more.
    ended.abort();
  }
}

async function keep(deps: ActivityDeps, tail: TailInput, run: RunPort): Promise<KeptTail> {
  const { database, repository } = tail;
  const log = await storeInPlace(deps, { database, repository, tornTailMs: 0 }, run);
  switch (log.kind) {
    case 'nothing':
      return {};
    case 'unstorable':
      return { unsaved: unsaved(log.code, log.why) };
    case 'stored':
      run.signal.throwIfAborted();
      return { savedAs: await writeTail(deps, { input: tail, log }, run) };
  }
}

async function tooLate(limitMs: number, signal: AbortSignal): Promise<never> {
  await delay(limitMs, undefined, { signal });
  const sentence = `the repository did not take what no backup holds in ${limitMs} ms while the server was down, so the old data stay`;
  throw new RstowError('repository-unavailable', sentence, { details: { limitMs } });
}
