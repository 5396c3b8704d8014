import { type LogEntry, readLogEntry } from '../state/log-entry.ts';
import type { RecordView } from '../wal/record-scanner.ts';
import { makeWalOffset, type SegmentId, type WalOffset } from '../wal/wal-offset.ts';
import { describeRecord, type LogRecord } from './log-record.ts';

/** Which records of a log are wanted: those that have all of it. */
export type RecordQuery = {
  instance?: string | undefined;
  /** Records of its definition, and of all its instances. */
  machine?: string | undefined;
  type?: LogEntry['kind'] | undefined;
  event?: string | undefined;
  /** Records that begin at or behind it, and before the other one. */
  from?: WalOffset | undefined;
  to?: WalOffset | undefined;
};

type Seen = Pick<RecordView, 'sequence' | 'startBytes' | 'endBytes' | 'payload'>;

/**
 * Sees all records of a log from its beginning, in their order, and describes those that are wanted. It remembers the ids of the wanted
 * machine's instances, and nothing else.
 */
export function createRecordFilter(query: RecordQuery): (segment: SegmentId, record: Seen) => LogRecord | undefined {
  const ofMachine = new Set<string>();
  const isMachines = (entry: LogEntry): boolean => {
    if (query.machine === undefined) return true;
    if (entry.kind === 'put_machine') return entry.machine === query.machine;
    if (!('id' in entry)) return false;
    if (entry.kind === 'create_instance' && entry.machine === query.machine) ofMachine.add(entry.id);
    return ofMachine.has(entry.id);
  };
  const isWanted = (entry: LogEntry): boolean => {
    if (!isMachines(entry)) return false;
    if (query.instance !== undefined && !('id' in entry && entry.id === query.instance)) return false;
    return query.type === undefined || entry.kind === query.type;
  };
  return (segment, record) => {
    const entry = readLogEntry(record.payload);
    if (entry === undefined || !isWanted(entry) || !isWithin(query, makeWalOffset(segment, record.startBytes))) return undefined;
    const described = describeRecord(segment, record);
    return query.event === undefined || described?.event === query.event ? described : undefined;
  };
}

function isWithin({ from, to }: RecordQuery, offset: WalOffset): boolean {
  return (from === undefined || offset >= from) && (to === undefined || offset < to);
}
