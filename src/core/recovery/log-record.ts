import { topLevelMembers } from '../json/canonical-json.ts';
import { type LogEntry, readLogEntry } from '../state/log-entry.ts';
import type { RecordView } from '../wal/record-scanner.ts';
import { makeWalOffset, type SegmentId, type WalOffsetText, walOffsetText } from '../wal/wal-offset.ts';

/** A record of the log, as people and programs read it: what it did to what, without the data that it carries. */
export type LogRecord = {
  /** Where it begins. */
  offset: WalOffsetText;
  /** The first offset behind it: a recovery to there has it. */
  end: WalOffsetText;
  sequence: number;
  /** `unreadable`: its checksum holds, but it is no entry; a server would refuse to start on it. */
  type: LogEntry['kind'] | 'unreadable';
  instance?: string | undefined;
  machine?: string | undefined;
  version?: number | undefined;
  event?: string | undefined;
  fromState?: string | undefined;
  toState?: string | undefined;
};

/** Ids, names of events and the like that are longer can't be given in a request anyhow; the server bounds only the whole record. */
const NAME_LENGTH_MAX = 512;

/** For results that have to stay small: a name that is too long is cut. */
export function shortName(name: string): string {
  return name.length > NAME_LENGTH_MAX ? `${name.slice(0, NAME_LENGTH_MAX)}…` : name;
}

/** The record with its long names cut. */
export function shortRecord(record: LogRecord): LogRecord {
  const names = Object.entries(record).map(([name, value]) => [name, typeof value === 'string' ? shortName(value) : value]);
  return Object.fromEntries(names) as LogRecord;
}

export type SeenRecord = Pick<RecordView, 'sequence' | 'startBytes' | 'endBytes' | 'payload'>;

export function describeRecord(segment: SegmentId, record: SeenRecord): LogRecord {
  const place = {
    offset: walOffsetText(makeWalOffset(segment, record.startBytes)),
    end: walOffsetText(makeWalOffset(segment, record.endBytes)),
    sequence: record.sequence,
  };
  const entry = readLogEntry(record.payload);
  const text = entryText(record.payload);
  return entry === undefined || text === undefined ? { ...place, type: 'unreadable' } : { ...place, ...deedOf(entry, text) };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The whole entry as it was written; undefined where it is no JSON object. */
export function entryText(payload: Uint8Array): string | undefined {
  try {
    const text = decoder.decode(payload);
    topLevelMembers(text);
    return text;
  } catch {
    // No UTF-8, or no JSON object: damage from outside, which is a value.
    return undefined;
  }
}

type Deed = Omit<LogRecord, 'offset' | 'end' | 'sequence'>;

function deedOf(entry: LogEntry, text: string): Deed {
  switch (entry.kind) {
    case 'put_machine':
      return { type: entry.kind, machine: entry.machine, version: entry.version };
    case 'create_instance':
      return { type: entry.kind, instance: entry.id, machine: entry.machine, version: entry.version, ...statesOf(text) };
    case 'apply_event':
      return { type: entry.kind, instance: entry.id, ...statesOf(text) };
    case 'delete_instance':
      return { type: entry.kind, instance: entry.id };
    case 'snapshot':
    case 'checkpoint':
      return { type: entry.kind };
  }
}

/** The whole payload is read for it: its names stand behind the data. */
function statesOf(text: string): Pick<LogRecord, 'event' | 'fromState' | 'toState'> {
  const members = topLevelMembers(text);
  return {
    event: textOf(members.get('event')),
    fromState: textOf(members.get('from_state')),
    toState: textOf(members.get('to_state') ?? members.get('initial_state')),
  };
}

/** The value of a JSON string; undefined if it is anything else. */
export function textOf(json: string | undefined): string | undefined {
  const value: unknown = json === undefined ? undefined : JSON.parse(json);
  return typeof value === 'string' ? value : undefined;
}
