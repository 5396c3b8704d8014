import { arrayElements, canonicalJson, type CanonicalJson, topLevelMembers } from '../json/canonical-json.ts';

/** What replay needs to know of a record's payload. Snapshot and checkpoint records change nothing. */
export type LogEntry =
  | { kind: 'put_machine'; machine: string; version: number; definitionText: string }
  | { kind: 'create_instance'; id: string; machine: string; version: number }
  | { kind: 'apply_event' | 'delete_instance'; id: string }
  | { kind: 'snapshot' | 'checkpoint' };

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// The server writes keys in the order of its declarations, so that the first bytes decide. @see rstmdb-wal 0.3.0 src/entry.rs
const APPLY_EVENT = encoder.encode('{"type":"apply_event","instance_id":"');
const DELETE_INSTANCE = encoder.encode('{"type":"delete_instance","instance_id":"');
const CREATE_INSTANCE = encoder.encode('{"type":"create_instance","instance_id":"');
/** By the first letter of the kind. */
const KIND_AT = '{"type":"'.length;
const PREFIX_OF = new Map([APPLY_EVENT, DELETE_INSTANCE, CREATE_INSTANCE].map((prefix) => [prefix[KIND_AT], prefix]));
const MACHINE = encoder.encode(',"machine":"');
const VERSION = encoder.encode(',"version":');

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const VERSION_MAX = 2 ** 32 - 1;

/**
 * Reads a payload's own type (which rules, not the header's) and names, mostly from its first bytes alone.
 * Undefined where it is no entry that the server can read: it would refuse to start.
 */
export function readLogEntry(payload: Uint8Array): LogEntry | undefined {
  try {
    return readPrefix(payload) ?? readWhole(payload);
  } catch {
    // No UTF-8, or no JSON object. Both are damage from outside, which is a value.
    return undefined;
  }
}

/**
 * Tells by a payload's first bytes, without making anything of them, what is surely no record of an instance. False only for such;
 * whatever is not as the server writes it has to be read.
 */
export function mayConcern(id: string): (payload: Uint8Array) => boolean {
  const wanted = encoder.encode(id);
  return (payload) => {
    const prefix = PREFIX_OF.get(payload[KIND_AT] ?? 0);
    if (prefix === undefined || !startsWith(payload, 0, prefix)) return true;
    const end = plainStringEnd(payload, prefix.length);
    return end === undefined || (end - prefix.length === wanted.length && startsWith(payload, prefix.length, wanted));
  };
}

/** Undefined where the first bytes are not as the server writes them, or names are escaped. */
function readPrefix(payload: Uint8Array): LogEntry | undefined {
  if (startsWith(payload, 0, APPLY_EVENT)) return readId(payload, 'apply_event', APPLY_EVENT.length);
  if (startsWith(payload, 0, CREATE_INSTANCE)) return readCreation(payload);
  if (startsWith(payload, 0, DELETE_INSTANCE)) return readId(payload, 'delete_instance', DELETE_INSTANCE.length);
  return undefined;
}

function readId(payload: Uint8Array, kind: 'apply_event' | 'delete_instance', at: number): LogEntry | undefined {
  const end = plainStringEnd(payload, at);
  return end === undefined ? undefined : { kind, id: decoder.decode(payload.subarray(at, end)) };
}

function readCreation(payload: Uint8Array): LogEntry | undefined {
  const idAt = CREATE_INSTANCE.length;
  const idEnd = plainStringEnd(payload, idAt);
  if (idEnd === undefined || !startsWith(payload, idEnd + 1, MACHINE)) return undefined;
  const machineAt = idEnd + 1 + MACHINE.length;
  const machineEnd = plainStringEnd(payload, machineAt);
  if (machineEnd === undefined || !startsWith(payload, machineEnd + 1, VERSION)) return undefined;
  const version = digitsAt(payload, machineEnd + 1 + VERSION.length);
  if (version === undefined) return undefined;
  const id = decoder.decode(payload.subarray(idAt, idEnd));
  return { kind: 'create_instance', id, machine: decoder.decode(payload.subarray(machineAt, machineEnd)), version };
}

function readWhole(payload: Uint8Array): LogEntry | undefined {
  const members = topLevelMembers(decoder.decode(payload));
  const kind = stringMember(members, 'type');
  if (kind === 'snapshot' || kind === 'checkpoint') return { kind };
  if (kind === 'put_machine') {
    return { kind, ...machineMembers(members), definitionText: members.get('definition') ?? 'null' };
  }
  const id = stringMember(members, 'instance_id');
  if (kind === 'create_instance') return { kind, id, ...machineMembers(members) };
  return kind === 'apply_event' || kind === 'delete_instance' ? { kind, id } : undefined;
}

function machineMembers(members: ReadonlyMap<string, string>): { machine: string; version: number } {
  const version = Number(members.get('version'));
  if (!Number.isInteger(version) || version < 0 || version > VERSION_MAX) throw new SyntaxError('the version is no u32');
  return { machine: stringMember(members, 'machine'), version };
}

function stringMember(members: ReadonlyMap<string, string>, name: string): string {
  const value: unknown = JSON.parse(members.get(name) ?? 'null');
  if (typeof value !== 'string') throw new SyntaxError(`there is no '${name}'`);
  return value;
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  // From the end, for the beginnings are all alike.
  for (let index = prefix.length - 1; index >= 0; index -= 1) if (bytes[at + index] !== prefix[index]) return false;
  return true;
}

/** The place of the closing quote of the string whose first character is at `at`; undefined if anything is escaped. */
function plainStringEnd(bytes: Uint8Array, at: number): number | undefined {
  for (let end = at; end < bytes.length; end += 1) {
    if (bytes[end] === QUOTE) return end;
    if (bytes[end] === BACKSLASH) return undefined;
  }
  return undefined;
}

function digitsAt(bytes: Uint8Array, at: number): number | undefined {
  let value = 0;
  let end = at;
  for (let digit = (bytes[end] ?? 0) - ZERO; digit >= 0 && digit <= 9; digit = (bytes[end] ?? 0) - ZERO) {
    value = value * 10 + digit;
    end += 1;
  }
  return end > at && value <= VERSION_MAX ? value : undefined;
}

const DEFINITION_FIELDS = ['states', 'initial', 'transitions', 'meta'];
const TRANSITION_FIELDS = ['from', 'event', 'to', 'guard'];

/**
 * A definition in the form in which GET_MACHINE returns it: `from` is always a list, absent or null `guard` and `meta`
 * and unknown keys are left out. The log keeps it as the client sent it. Undefined where the server would refuse its
 * shape; whether names and guards make sense isn't looked at, for the server logs only definitions that it accepted.
 * @see rstmdb-core 0.3.0 src/definition.rs
 */
export function normaliseDefinition(text: string): CanonicalJson | undefined {
  try {
    const fields = fieldsOf(text, DEFINITION_FIELDS);
    const transitions = arrayElements(required(fields, 'transitions')).map(normaliseTransition);
    return objectOf({
      initial: stringText(required(fields, 'initial')),
      meta: optional(fields, 'meta'),
      states: stringListText(required(fields, 'states')),
      transitions: `[${transitions.join(',')}]`,
    });
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function normaliseTransition(text: string): CanonicalJson {
  const fields = fieldsOf(text, TRANSITION_FIELDS);
  const from = required(fields, 'from');
  const guard = optional(fields, 'guard');
  return objectOf({
    event: stringText(required(fields, 'event')),
    from: from.startsWith('"') ? `[${stringText(from)}]` : stringListText(from),
    guard: guard === undefined ? undefined : stringText(guard),
    to: stringText(required(fields, 'to')),
  });
}

/** The named fields of an object, or of the list of values that serde takes for one just as well. */
function fieldsOf(text: string, names: readonly string[]): Map<string, string> {
  if (!text.trimStart().startsWith('[')) return topLevelMembers(text);
  const values = arrayElements(text);
  if (values.length > names.length) throw new SyntaxError('the list has more values than there are fields');
  return new Map(values.map((value, index) => [names[index] ?? '', value]));
}

function required(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name);
  if (value === undefined) throw new SyntaxError(`there is no '${name}'`);
  return value;
}

function optional(fields: ReadonlyMap<string, string>, name: string): string | undefined {
  const value = fields.get(name);
  return value === 'null' ? undefined : value;
}

function stringText(text: string): CanonicalJson {
  if (!text.startsWith('"')) throw new SyntaxError('this is no string');
  return canonicalJson(text);
}

function stringListText(text: string): string {
  return `[${arrayElements(text).map(stringText).join(',')}]`;
}

function objectOf(members: Record<string, string | undefined>): CanonicalJson {
  const texts = Object.entries(members).flatMap(([name, text]) => (text === undefined ? [] : [`"${name}":${text}`]));
  return canonicalJson(`{${texts.join(',')}}`);
}
