import type { LogEntry } from '../state/log-entry.ts';

/** Something that happened to an instance. */
export type TargetEvent = {
  instance: string;
  /** The event's name; any record of the instance where absent. */
  event?: string | undefined;
  /** Which records count; all where absent. */
  record?: TargetRecord | undefined;
  /** 1 is the first in the order of the log; the last one where absent. */
  occurrence?: number | undefined;
};

export const TARGET_RECORDS = ['create', 'event', 'delete'] as const;
export type TargetRecord = (typeof TARGET_RECORDS)[number];

const KIND_OF: { readonly [Record in TargetRecord]: LogEntry['kind'] } = {
  create: 'create_instance',
  event: 'apply_event',
  delete: 'delete_instance',
};

/** Whether a record of that kind counts. */
export function countsAs(record: TargetRecord | undefined, kind: LogEntry['kind']): boolean {
  return record === undefined || KIND_OF[record] === kind;
}

/** A point of a history, as a person names it: exactly one of the fields. */
export type RecoveryTarget = {
  /** The end of what is stored. */
  latest?: boolean | undefined;
  /** A place in the log, in decimal: the first offset that is not recovered. */
  offset?: string | undefined;
  /** Just behind the record of that number, in the order of the log. */
  sequence?: number | undefined;
  /** ISO 8601 with a time zone: nothing that was written after it is recovered. */
  time?: string | undefined;
  /** That `rstow mark` has given. */
  name?: string | undefined;
  /** Just before the record, and just behind it. */
  before?: TargetEvent | undefined;
  after?: TargetEvent | undefined;
};

/** `just before the delete of instance "17"`: for sentences. */
export function targetText(target: RecoveryTarget): string {
  if (target.offset !== undefined) return `offset ${target.offset}`;
  if (target.sequence !== undefined) return `behind record ${target.sequence}`;
  if (target.time !== undefined) return `at ${target.time}`;
  if (target.name !== undefined) return `at the mark "${target.name}"`;
  if (target.before !== undefined) return `just before ${eventText(target.before)}`;
  if (target.after !== undefined) return `just after ${eventText(target.after)}`;
  return 'at the end of what is stored';
}

const NOUNS = { create: 'creation', event: 'event', delete: 'deletion' } as const;

/** `the last event "PAY" of instance "17"`. */
function eventText(target: TargetEvent): string {
  const { instance, event, occurrence } = target;
  const noun = nounOf(target);
  const which = occurrence === undefined ? `the last ${noun}` : `number ${occurrence} of the ${noun}s`;
  return `${which}${event === undefined ? '' : ` "${event}"`} of instance "${instance}"`;
}

/** `an event "PAY"`. */
export function kindText(target: TargetEvent): string {
  const noun = nounOf(target);
  return `${noun === 'event' ? 'an' : 'a'} ${noun}${target.event === undefined ? '' : ` "${target.event}"`}`;
}

function nounOf({ event, record }: TargetEvent): string {
  if (event !== undefined) return 'event';
  return record === undefined ? 'record' : NOUNS[record];
}
