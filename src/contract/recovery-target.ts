import { type RecoveryTarget, TARGET_RECORDS, type TargetRecord } from '../core/recovery/target.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { parseWalOffset } from '../core/wal/wal-offset.ts';
import { booleanField, choiceField, type Field, integerField, nameField, objectField, optional, textField } from './input-field.ts';

/** Of an instance's id and of an event's name. */
const TEXT_LENGTH_MAX = 512;

const ISO_TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})$/;

const offsetField: Field<string> = (value, path) => {
  const text = textField(20)(value, path);
  if (parseWalOffset(text) !== undefined) return text;
  throw refused(path, 'must be an offset in the log in decimal, such as "1099511628000"');
};

const timeField: Field<string> = (value, path) => {
  const text = textField(40)(value, path);
  if (ISO_TIME.test(text) && !Number.isNaN(Date.parse(text)) && isDay(text.slice(0, 10))) return text;
  throw refused(path, 'must be a time with its zone, such as "2026-11-24T10:15:00Z"; the target latest is the end of what is stored');
};

/** A parser takes February 30 for March 2. */
function isDay(date: string): boolean {
  return new Date(date).toISOString().startsWith(date);
}

export const instanceField: Field<string> = textField(TEXT_LENGTH_MAX);

const eventField = objectField({
  instance: instanceField,
  event: optional(textField(TEXT_LENGTH_MAX)),
  record: optional(choiceField<TargetRecord>(...TARGET_RECORDS)),
  occurrence: optional(integerField(1, Number.MAX_SAFE_INTEGER)),
});

const anyTarget = objectField({
  latest: optional(booleanField),
  offset: optional(offsetField),
  sequence: optional(integerField(0, Number.MAX_SAFE_INTEGER)),
  time: optional(timeField),
  name: optional(nameField),
  before: optional(eventField),
  after: optional(eventField),
});

/** A point in a history: an object with one field that says which. @see RecoveryTarget */
export const recoveryTargetField: Field<RecoveryTarget> = (value, path) => {
  const target = anyTarget(value, path);
  const given = Object.keys(target);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none' : given.join(', ');
    throw refused(path, `must have one of latest, offset, sequence, time, name, before and after; it has ${found}`);
  }
  if (target.latest === false) throw refused(`${path}.latest`, 'is true or absent');
  return target;
};

function refused(path: string, why: string): RstowError {
  return new RstowError('invalid-input', `field "${path}" ${why}`, { details: { field: path } });
}

/** The id of a history. */
export const timelineField: Field<string> = (value, path) => {
  const text = textField(9)(value, path);
  if (/^[0-9]{4,9}$/.test(text)) return text;
  throw refused(path, 'must be a timeline such as "0001"');
};
