import { RstowError } from '../../core/errors/rstow-error.ts';
import { followInstance, type InstanceLife } from '../../core/recovery/instance-life.ts';
import { describeRecord, type LogRecord } from '../../core/recovery/log-record.ts';
import { normaliseDefinition, readLogEntry } from '../../core/state/log-entry.ts';
import { type Extent, makeWalOffset, type WalOffsetText } from '../../core/wal/wal-offset.ts';
import type { ManifestSegment } from '../../formats/repository/manifest.ts';
import type { InstancePlan } from '../../formats/repository/plans.ts';
import type { Caller } from '../../replay/progress.ts';
import { readStoredLog, type StoredLog, unreplayable } from '../../replay/stored-log.ts';
import type { Store } from '../../store/store.ts';
import { locate } from '../recovery-point/locate-point.ts';
import {
  lastExtent,
  logOfHistory,
  logUpTo,
  offsetText,
  openHistory,
  type StoredHistory,
  type WantedPoint,
} from '../recovery-point/stored-history.ts';

export type WantedInstance = WantedPoint & { instance: string };

/** An instance as it was at a point of a stored history. */
export type FoundInstance = InstanceLife & {
  repository: string;
  /** The backup whose log has the point, and the first offset of it that doesn't count. */
  label: string;
  timeline: string;
  /** Up to there, if the archive holds the log beyond that backup. */
  segments?: ManifestSegment[] | undefined;
  end: WalOffsetText;
};

/**
 * Reads the stored log up to the point, for this instance alone. Fails: instance-not-found, saying what is known of it; backup-not-found,
 * mark-not-found, point-not-found, wal-gap, missing-object, truncated-object, damaged-object, repository-unavailable.
 */
export async function findInstance(store: Store, wanted: WantedInstance, run: Caller): Promise<FoundInstance> {
  const history = await openHistory(store, wanted, run);
  const { log, cut } = await locate(history, wanted.target, run);
  const end = cut ?? lastExtent(log);
  const follower = followInstance(wanted.instance);
  await readStoredLog(
    await logUpTo(store, log, end),
    {
      see: (segment, record) => {
        if (!follower.see(segment, record)) throw unreplayable(segment, record.startBytes);
      },
    },
    run,
  );
  const life = follower.life();
  if (life === undefined) throw await notThere(history, { ...wanted, end, deleted: follower.deleted() }, run);
  const { timeline, isArchived, manifest } = log;
  const segments = isArchived ? log.segments.filter(({ segment }) => segment <= end.segment) : undefined;
  return { ...life, repository: store.name, label: manifest.label, timeline, segments, end: offsetText(end) };
}

type Absent = WantedInstance & { end: Extent; deleted: LogRecord | undefined };

async function notThere(history: StoredHistory, absent: Absent, run: Caller): Promise<RstowError> {
  const { instance, end, deleted } = absent;
  const created = await createdBehind(history, absent, run);
  const known = [
    deleted === undefined ? undefined : `it was deleted at offset ${deleted.offset}, by record ${deleted.sequence}`,
    created === undefined ? undefined : `it is created at offset ${created.offset}, by record ${created.sequence}, behind the point`,
  ].filter((part) => part !== undefined);
  const text = known.length === 0 ? `the stored log of timeline ${history.timeline} has no creation of it` : known.join('; ');
  return new RstowError('instance-not-found', `instance "${instance}" is not there at offset ${offsetText(end)}: ${text}`, {
    details: { database: history.store.database, instance, deletedAt: deleted?.offset ?? null, createdAt: created?.offset ?? null },
  });
}

/** The first creation behind the point that the history has stored. */
async function createdBehind(history: StoredHistory, { instance, end }: Absent, run: Caller): Promise<LogRecord | undefined> {
  const log = await logOfHistory(history, (segment) => segment >= end.segment);
  const point = makeWalOffset(end.segment, end.endBytes);
  let created: LogRecord | undefined;
  await readStoredLog(
    log,
    {
      see: (segment, record) => {
        if (makeWalOffset(segment, record.startBytes) < point) return;
        const entry = readLogEntry(record.payload);
        if (entry?.kind === 'create_instance' && entry.id === instance) created ??= describeRecord(segment, record);
      },
      isDone: () => created !== undefined,
    },
    run,
  );
  return created;
}

/** What a plan has of the log. Fails: backup-not-found, missing-object, damaged-object, repository-unavailable. */
export async function plannedLog(
  store: Store,
  { label, segments, end }: Pick<InstancePlan, 'label' | 'segments' | 'end'>,
): Promise<StoredLog> {
  return logUpTo(store, { segments: segments ?? (await store.backups.read(label)).segments }, end);
}

type Machine = { machine: string; version: number };

/** The machine's definition as it was put first: JSON as it stands in the log. Undefined if the log lacks it. */
export async function findDefinition(log: StoredLog, { machine, version }: Machine, run: Caller): Promise<string | undefined> {
  let definition: string | undefined;
  await readStoredLog(
    log,
    {
      see: (_segment, { payload }) => {
        const entry = readLogEntry(payload);
        if (entry?.kind !== 'put_machine' || entry.machine !== machine || entry.version !== version) return;
        if (normaliseDefinition(entry.definitionText) !== undefined) definition ??= entry.definitionText;
      },
      isDone: () => definition !== undefined,
    },
    run,
  );
  return definition;
}
