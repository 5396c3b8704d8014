import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase } from '../../database/database.ts';
import type { Warning } from '../../contract/result.ts';
import { baselineOf } from '../../core/backup/history.ts';
import { backupLabel } from '../../core/backup/label.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { continuityOf } from '../../core/wal/continuity.ts';
import type { Attachment, Manifest } from '../../formats/repository/manifest.ts';
import { errnoOf, systemMessage } from '../../io/files/errno.ts';
import { readOwnership } from '../../io/files/ownership.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { manifestSegments, recordsOf } from '../backup/write-manifest.ts';
import type { RunPort } from '../run-port.ts';
import { storeInPlace, unsaved, type StoredLog, type StoreReplacedInput } from './store-replaced.ts';
import type { Store } from '../../store/store.ts';

/** `isRequired`: where the repository can't take it, nothing is swapped. */
export type TailWanted = Omit<TailInput, 'database'> & { isRequired: boolean };

/** `savedAs`: the backup that holds all of what is about to be replaced. */
export type KeptTail = { savedAs?: string | undefined; unsaved?: Warning | undefined };

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
      return { savedAs: await writeTail(deps, { input: tail, log, walDir: openDatabase(deps, database).walDir }, run) };
  }
}

async function tooLate(limitMs: number, signal: AbortSignal): Promise<never> {
  await delay(limitMs, undefined, { signal });
  const sentence = `the repository did not take what no backup holds in ${limitMs} ms while the server was down, so the old data stay`;
  throw new RstowError('repository-unavailable', sentence, { details: { limitMs } });
}

/** `startedAtMs` is the restore's: it names the backup. */
export type TailInput = StoreReplacedInput & { startedAtMs: number };

/** A snapshot's attachment is large, and of no use to whoever has the whole log. */
const COPIED = /^(machines\.json|server-config-)/;

/**
 * The backup that holds all of a log that was stored in place: the newest one of its history, if that does, else a new
 * one. Gives its label. Fails: owner-outdated, cancelled, repository-unavailable. Twice: the same label, while the log
 * has not grown.
 */
export async function writeTail(deps: ActivityDeps, { input, log, walDir }: WrittenLog, run: RunPort): Promise<string> {
  const store = await deps.openStore(input.database, input.repository);
  const before = await store.backups.newestOfTimeline({ timeline: log.timeline, exceptRunId: run.runId });
  if (before !== undefined && holds(before, log)) return before.label;
  const { label, isWritten } = await takeLabel(store, { input, log }, run);
  if (isWritten) return label;
  const manifest = await tailManifest({ input, log, walDir, label, before, store }, run);
  await store.owner.require();
  await run.checkOpen();
  await store.backups.put(manifest);
  return label;
}

/** The last backup of a replaced log that this run has written, if any. */
export async function writtenTail(
  deps: ActivityDeps,
  { database, repository: name, startedAtMs }: TailInput,
  run: RunPort,
): Promise<string | undefined> {
  const { backups } = await deps.openStore(database, name);
  let written: string | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const label = backupLabel(startedAtMs, 'tail', attempt);
    const holder = await backups.holderOf(label);
    if (holder === undefined) return written;
    if (holder.runId === run.runId && holder.manifest !== undefined) written = label;
  }
}

/** Whether the backup has all of the log, which it belongs to. */
export function holds({ segments }: Manifest, { extents }: Pick<StoredLog, 'extents'>): boolean {
  const ends = new Map(promisedExtents(segments).map(({ segment, endBytes }) => [segment, endBytes]));
  return extents.every(({ segment, endBytes }) => (ends.get(segment) ?? 0) >= endBytes);
}

type Labelling = { input: TailInput; log: StoredLog };

type WrittenLog = Labelling & { walDir: string };

/** A server that came up again after an earlier attempt has written on: its log takes another label. */
async function takeLabel({ backups }: Store, { input, log }: Labelling, run: RunPort): Promise<{ label: string; isWritten: boolean }> {
  const { startedAtMs } = input;
  for (let attempt = 1; ; attempt += 1) {
    const label = backupLabel(startedAtMs, 'tail', attempt);
    if (!(await backups.claimLabel({ label, runId: run.runId }))) continue;
    const manifest = (await backups.holderOf(label))?.manifest;
    if (manifest === undefined) return { label, isWritten: false };
    if (manifest.timeline === log.timeline && holds(manifest, log)) return { label, isWritten: true };
  }
}

type NewTail = WrittenLog & { label: string; before: Manifest | undefined; store: Store };

async function tailManifest({ input, log, walDir, label, before, store }: NewTail, run: RunPort): Promise<Manifest> {
  const { database, startedAtMs } = input;
  const { timeline, extents, state, warnings } = log;
  const added = { pieces: 0, storedBytes: 0, plainBytes: 0 };
  const segments = await manifestSegments({ store, timeline, run, added, storedAgain: [] }, extents);
  const ownership = await readOwnership(walDir);
  assert(ownership !== undefined, 'wal/ was there when it was stored');
  return {
    format: 1,
    label,
    kind: 'tail',
    database,
    timeline,
    runId: run.runId,
    workflowId: run.workflowId,
    createdAtMs: startedAtMs,
    writtenAtMs: Date.now(),
    bytesStored: added.storedBytes,
    serverVersion: before?.serverVersion ?? 'unknown',
    ownership,
    segments,
    records: recordsOf(segments),
    ...state,
    // There is no server to be asked any more.
    comparison: null,
    restorable: continuityOf(
      extents.map(({ segment }) => segment),
      baselineOf(await store.timelines.all(), timeline)?.segment,
    ).restorable,
    pin: 'links',
    attachments: await copyAttachments(store, { label, before, signal: run.signal }),
    warnings,
  };
}

type Copying = { label: string; before: Manifest | undefined; signal: AbortSignal };

/** What a new host needs beside the log hasn't changed since the backup before, as far as anybody can ask. */
async function copyAttachments({ attachments }: Store, { label, before, signal }: Copying): Promise<Attachment[]> {
  if (before === undefined) return [];
  const copied: Attachment[] = [];
  for (const attachment of before.attachments.filter(({ name }) => COPIED.test(name))) {
    if (await attachments.copy({ from: before.label, to: label, name: attachment.name, signal })) copied.push(attachment);
  }
  return copied;
}
