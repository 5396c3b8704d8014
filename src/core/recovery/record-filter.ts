import { type LogEntry, mayConcern, readLogEntry } from '../state/log-entry.ts';
import { makeWalOffset, type SegmentId, segmentOf, type WalOffset } from '../wal/wal-offset.ts';
import { describeRecord, type LogRecord, type SeenRecord } from './log-record.ts';

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

/** Whether a filter has to see a segment's records: to know a machine's instances it sees the earlier ones as well. */
export function concernsSegment({ machine, from, to }: RecordQuery, segment: SegmentId): boolean {
  const isEarlier = machine === undefined && from !== undefined && segment < segmentOf(from);
  return !isEarlier && (to === undefined || makeWalOffset(segment, 0) < to);
}

/**
 * Sees the records of a log in their order, and describes those that are wanted; undefined for the others. It remembers the ids of the
 * wanted machine's instances, and nothing else.
 */
export function createRecordFilter(query: RecordQuery): (segment: SegmentId, record: SeenRecord) => LogRecord | undefined {
  const isOfMachine = query.machine === undefined ? undefined : machineMembers(query.machine);
  // Most records are none of the instance: to read each would take most of the time.
  const isWorthReading = query.instance === undefined || isOfMachine !== undefined ? () => true : mayConcern(query.instance);
  const isOfAnything = [query.instance, query.machine, query.type, query.event].every((wanted) => wanted === undefined);
  const isWanted = (entry: LogEntry): boolean => {
    if (isOfMachine?.(entry) === false) return false;
    if (query.instance !== undefined && !('id' in entry && entry.id === query.instance)) return false;
    if (query.event !== undefined && entry.kind !== 'apply_event') return false;
    return query.type === undefined || entry.kind === query.type;
  };
  return (segment, record) => {
    if (!isWorthReading(record.payload)) return undefined;
    const entry = readLogEntry(record.payload);
    if (!(entry === undefined ? isOfAnything : isWanted(entry))) return undefined;
    if (!isWithin(query, makeWalOffset(segment, record.startBytes))) return undefined;
    const described = describeRecord(segment, record);
    return query.event === undefined || described.event === query.event ? described : undefined;
  };
}

/** An id whose instance was deleted may be created again, of another machine: then it is that one's. */
function machineMembers(machine: string): (entry: LogEntry) => boolean {
  const isDeleted = new Map<string, boolean>();
  return (entry) => {
    if (entry.kind === 'put_machine') return entry.machine === machine;
    if (!('id' in entry)) return false;
    const { id } = entry;
    if (entry.kind === 'create_instance' && isDeleted.get(id) !== false) {
      if (entry.machine === machine) isDeleted.set(id, false);
      else isDeleted.delete(id);
    } else if (entry.kind === 'delete_instance' && isDeleted.has(id)) isDeleted.set(id, true);
    return isDeleted.has(id);
  };
}

function isWithin({ from, to }: RecordQuery, offset: WalOffset): boolean {
  return (from === undefined || offset >= from) && (to === undefined || offset < to);
}
