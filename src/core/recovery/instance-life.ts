import type { CanonicalJson } from '../json/canonical-json.ts';
import { readPresentState } from '../state/kept-instance.ts';
import { readLogEntry } from '../state/log-entry.ts';
import type { RecordView } from '../wal/record-scanner.ts';
import type { SegmentId } from '../wal/wal-offset.ts';
import { describeRecord, type LogRecord } from './log-record.ts';

/** An instance as a log leaves it, and the records that its last life begins and ends with. */
export type InstanceLife = {
  id: string;
  machine: string;
  version: number;
  state: string;
  ctx: CanonicalJson;
  created: LogRecord;
  /** The one that gave it its state and context. */
  last: LogRecord;
  /** So many were applied since it was created. */
  events: number;
};

type Seen = Pick<RecordView, 'sequence' | 'startBytes' | 'endBytes' | 'payload'>;

/** Follows one instance through a log as the server replays it; of all others it keeps nothing. */
export type InstanceFollower = {
  /** Takes all records from the beginning, in their order. False where a server could not replay it. */
  see(segment: SegmentId, record: Seen): boolean;
  /** Undefined if the instance is not there. */
  life(): InstanceLife | undefined;
  /** The record that has deleted it last; undefined if none has. */
  deleted(): LogRecord | undefined;
};

/** @see rstmdb-core 0.3.0 src/engine.rs replay_entry */
export function followInstance(id: string): InstanceFollower {
  let life: InstanceLife | undefined;
  let deleted: LogRecord | undefined;
  return {
    see(segment, record) {
      const entry = readLogEntry(record.payload);
      if (entry === undefined) return false;
      if (!('id' in entry) || entry.id !== id) return true;
      const described = describeRecord(segment, record);
      if (described.type === 'unreadable') return false;
      if (entry.kind === 'delete_instance') {
        if (life !== undefined) deleted = described;
        life = undefined;
        return true;
      }
      // A second creation of what is there, or an event of what is not, changes nothing.
      if ((entry.kind === 'create_instance') !== (life === undefined)) return true;
      const present = readPresentState(record.payload);
      if (present === undefined) return false;
      if (entry.kind === 'create_instance') {
        const { machine, version } = entry;
        life = { id, machine, version, ...present, created: described, last: described, events: 0 };
      } else if (life !== undefined) {
        life = { ...life, ...present, last: described, events: life.events + 1 };
      }
      return true;
    },
    life: () => life,
    deleted: () => deleted,
  };
}
