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
  type: LogEntry['kind'];
  instance?: string;
  machine?: string;
  version?: number;
  event?: string;
  fromState?: string;
  toState?: string;
};

type Seen = Pick<RecordView, 'sequence' | 'startBytes' | 'endBytes' | 'payload'>;

/** Undefined where the payload is no entry: a server would refuse to start on it. */
export function describeRecord(segment: SegmentId, { sequence, startBytes, endBytes, payload }: Seen): LogRecord | undefined {
  const entry = readLogEntry(payload);
  if (entry === undefined) return undefined;
  const { offset, end } = { offset: makeWalOffset(segment, startBytes), end: makeWalOffset(segment, endBytes) };
  const record: LogRecord = { offset: walOffsetText(offset), end: walOffsetText(end), sequence, type: entry.kind };
  switch (entry.kind) {
    case 'put_machine':
      return { ...record, machine: entry.machine, version: entry.version };
    case 'create_instance':
      return { ...record, instance: entry.id, machine: entry.machine, version: entry.version, ...statesOf(payload) };
    case 'apply_event':
      return { ...record, instance: entry.id, ...statesOf(payload) };
    case 'delete_instance':
      return { ...record, instance: entry.id };
    case 'snapshot':
    case 'checkpoint':
      return record;
  }
}

type States = Pick<LogRecord, 'event' | 'fromState' | 'toState'>;

const decoder = new TextDecoder();

/** The whole payload is read for it: its names stand behind the data. */
function statesOf(payload: Uint8Array): States {
  const members = topLevelMembers(decoder.decode(payload));
  const named: [keyof States, string | undefined][] = [
    ['event', members.get('event')],
    ['fromState', members.get('from_state')],
    ['toState', members.get('to_state') ?? members.get('initial_state')],
  ];
  return Object.fromEntries(named.flatMap(([name, text]) => (text === undefined ? [] : [[name, JSON.parse(text)]])));
}
