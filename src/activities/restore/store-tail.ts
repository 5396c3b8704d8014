import { openDatabase } from '../../database/database.ts';
import { gapWarnings } from '../../contract/hot-backup.ts';
import type { Warning } from '../../contract/result.ts';
import { baselineOf } from '../../core/backup/history.ts';
import { type BackupKind, backupLabel } from '../../core/backup/label.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { continuityOf } from '../../core/wal/continuity.ts';
import type { Attachment, Manifest } from '../../formats/repository/manifest.ts';
import { errnoOf, systemMessage } from '../../io/files/errno.ts';
import { readOwnership } from '../../io/files/ownership.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { inTime } from '../in-time.ts';
import { type Added, manifestSegments, recordsOf, summaryOf } from '../backup/write-manifest.ts';
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
  const { limitMs } = tail;
  try {
    return await inTime({ limitMs, signal: run.signal, late: () => tooLate(limitMs) }, (signal) => keep(deps, tail, { ...run, signal }));
  } catch (error) {
    run.signal.throwIfAborted();
    if (tail.isRequired) throw error;
    if (error instanceof RstowError) return { unsaved: unsaved(error.code, error.message) };
    if (errnoOf(error) === undefined) throw error;
    return { unsaved: unsaved('failed', systemMessage(error as Error)) };
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

function tooLate(limitMs: number): RstowError {
  const sentence = `the repository did not take what no backup holds in ${limitMs} ms while the server was down, so the old data stay`;
  return new RstowError('repository-unavailable', sentence, { details: { limitMs } });
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
export async function writeTail(deps: ActivityDeps, of: Omit<LogToWrite, 'kind'>, run: RunPort): Promise<string> {
  const store = await deps.openStore(of.input.database, of.input.repository);
  const before = await store.backups.newestOfTimeline({ timeline: of.log.timeline, exceptRunId: run.runId });
  if (before !== undefined && holds(before, of.log)) return before.label;
  return (await writeStoredLog(deps, { ...of, kind: 'tail' }, run)).manifest.label;
}

/** A backup of all of a log that was stored in place. Fails: owner-outdated, cancelled, repository-unavailable. Twice: the same one, while the log has not grown. */
export async function writeStoredLog(
  deps: ActivityDeps,
  of: LogToWrite,
  run: RunPort,
): Promise<{ manifest: Manifest; summary: ReturnType<typeof summaryOf> }> {
  const { input, log } = of;
  const store = await deps.openStore(input.database, input.repository);
  const added = { pieces: 0, storedBytes: 0, plainBytes: 0 };
  const { label, written } = await takeLabel(store, of, run);
  const manifest = written ?? (await manifestOf({ ...of, label, store, added }, run));
  if (written === undefined) {
    await store.owner.require();
    await run.checkOpen();
    // An emptied or exchanged repository takes a manifest as well as any.
    await store.confirm();
    await store.backups.put(manifest);
  }
  return { manifest, summary: summaryOf(manifest, { repository: store.name, extents: log.extents, added }) };
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

/** `input.startedAtMs` and `kind` name the backup. */
type Labelling = { input: TailInput; log: StoredLog; kind: BackupKind };

type LogToWrite = Labelling & { walDir: string };

/** A server that came up again after an earlier attempt has written on: its log takes another label. */
async function takeLabel(
  { backups }: Store,
  { input, log, kind }: Labelling,
  run: RunPort,
): Promise<{ label: string; written?: Manifest }> {
  const { startedAtMs } = input;
  for (let attempt = 1; ; attempt += 1) {
    const label = backupLabel(startedAtMs, kind, attempt);
    if (!(await backups.claimLabel({ label, runId: run.runId }))) continue;
    const manifest = (await backups.holderOf(label))?.manifest;
    if (manifest === undefined) return { label };
    if (manifest.timeline === log.timeline && holds(manifest, log)) return { label, written: manifest };
  }
}

type NewBackup = LogToWrite & { label: string; store: Store; added: Added };

async function manifestOf({ input, log, kind, walDir, label, store, added }: NewBackup, run: RunPort): Promise<Manifest> {
  const { database, startedAtMs } = input;
  const { timeline, extents, state, warnings } = log;
  const before = await store.backups.newestOfTimeline({ timeline, exceptRunId: run.runId });
  const segments = await manifestSegments({ store, timeline, run, added, storedAgain: [] }, extents);
  const present = extents.map(({ segment }) => segment);
  const baseline = baselineOf(await store.timelines.having(timeline), timeline)?.segment;
  const ownership = await readOwnership(walDir);
  assert(ownership !== undefined, 'wal/ was there when it was stored');
  return {
    format: 1,
    label,
    kind,
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
    restorable: continuityOf(present, baseline).restorable,
    pin: 'links',
    attachments: await copyAttachments(store, { label, before, signal: run.signal }),
    warnings: [...warnings, ...gapWarnings(present, baseline)],
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
