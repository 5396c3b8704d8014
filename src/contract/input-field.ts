import { boundedText, RstowError } from '../core/errors/rstow-error.ts';
import { isJsonPath, isRounded } from '../core/json/json-value.ts';
import { meantText } from '../core/text/nearest-name.ts';

/** Reads one JSON value; `path` is the field as a person writes it, such as `to.dataDir`. */
export type Field<T> = (value: unknown, path: string) => T;

/** Undefined where the field is absent; null counts as absent but in a `jsonField`, for many clients send it so. */
export type OptionalField<T> = Field<T> & { readonly optional: true };

export type Fields = Record<string, Field<unknown>>;

type RequiredKeys<F extends Fields> = { [K in keyof F]: F[K] extends OptionalField<unknown> ? never : K }[keyof F];
type OptionalKeys<F extends Fields> = Exclude<keyof F, RequiredKeys<F>>;

/** What an object with these fields looks like once it is parsed. */
export type Parsed<F extends Fields> = { [K in RequiredKeys<F>]: ReturnType<F[K]> } & {
  [K in OptionalKeys<F>]?: ReturnType<F[K]> | undefined;
};

/** Databases, agents and repositories. */
export const NAME_PATTERN = /^[a-z0-9-]{1,63}$/;

const PATH_LENGTH_MAX = 4096;
const JSON_DEPTH_MAX = 100;
/** Of a field's name in a sentence. */
const SHOWN_LENGTH_MAX = 200;

export function optional<T>(field: Field<T>): OptionalField<T> {
  return Object.assign((value: unknown, path: string) => field(value, path), field, { optional: true as const });
}

export const nameField: Field<string> = (value, path) => {
  const text = stringOf(value, path);
  if (!NAME_PATTERN.test(text)) refuse(path, 'must be 1 to 63 of a-z, 0-9 and -');
  return text;
};

export const textField =
  (lengthMax: number): Field<string> =>
  (value, path) => {
    const text = stringOf(value, path);
    if (text.length === 0 || text.length > lengthMax) refuse(path, `must have 1 to ${lengthMax} characters`);
    return text;
  };

export const absolutePathField: Field<string> = (value, path) => {
  const text = textField(PATH_LENGTH_MAX)(value, path);
  if (!text.startsWith('/') || text.includes('\0') || text.split('/').includes('..')) {
    refuse(path, 'must be an absolute path without ".." parts');
  }
  return text;
};

const DATASET_LENGTH_MAX = 255;
const DATASET = /^[A-Za-z][A-Za-z0-9_.:-]*(\/[A-Za-z0-9_][A-Za-z0-9_.:-]*)+$/;

/** A dataset of ZFS below a pool, such as `tank/orders`. */
export const datasetField: Field<string> = (value, path) => {
  const text = textField(DATASET_LENGTH_MAX)(value, path);
  return DATASET.test(text) ? text : refuse(path, 'must be a dataset below a pool, such as tank/orders');
};

/** A place in a JSON value, such as `items[0].sku`. */
export const jsonPathField =
  (lengthMax: number): Field<string> =>
  (value, path) => {
    const text = textField(lengthMax)(value, path);
    return isJsonPath(text) ? text : refuse(path, 'must be a path such as items[0].sku');
  };

export const booleanField: Field<boolean> = (value, path) => {
  if (typeof value !== 'boolean') refuse(path, `must be true or false, not ${jsonTypeOf(value)}`);
  return value;
};

export const integerField =
  (min: number, max: number): Field<number> =>
  (value, path) => {
    if (typeof value !== 'number') refuse(path, `must be a number, not ${jsonTypeOf(value)}`);
    if (!Number.isInteger(value) || value < min || value > max) {
      refuse(path, `must be a whole number from ${min} to ${max}`);
    }
    return value;
  };

export const choiceField =
  <T extends string>(...choices: readonly T[]): Field<T> =>
  (value, path) => {
    const text = stringOf(value, path);
    const choice = choices.find((candidate) => candidate === text);
    return choice ?? refuse(path, `must be one of ${choices.join(', ')}${meantText(text, choices)}`);
  };

export const listField =
  <T>(field: Field<T>, lengthMax: number): Field<T[]> =>
  (value, path) => {
    if (!Array.isArray(value)) return refuse(path, `must be a list, not ${jsonTypeOf(value)}`);
    if (value.length > lengthMax) refuse(path, `must have at most ${lengthMax} entries`);
    return value.map((entry, index) => field(entry, `${path}[${index}]`));
  };

/** Any JSON value; null is one. Of a whole number beyond 2^53 nobody knows any more what was written. */
export const jsonField: Field<unknown> = Object.assign(
  (value: unknown, path: string) => {
    refuseRounded(value, path);
    return value;
  },
  { takesNull: true as const },
);

export const objectField =
  <F extends Fields>(fields: F): Field<Parsed<F>> =>
  (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return refuse(path, `must be a JSON object, not ${jsonTypeOf(value)}`);
    }
    const prefix = path === '' ? '' : `${path}.`;
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(fields, key)) refuse(`${prefix}${key}`, `is unknown${meantText(key, Object.keys(fields))}`);
    }
    const parsed: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(fields)) {
      const given = (value as Record<string, unknown>)[key];
      const member = given === null && !('takesNull' in field) ? undefined : given;
      if (member !== undefined) parsed[key] = field(member, `${prefix}${key}`);
      else if (!('optional' in field)) refuse(`${prefix}${key}`, 'is missing');
    }
    return parsed as Parsed<F>;
  };

function refuseRounded(value: unknown, path: string, depth = 0): void {
  if (isRounded(value)) refuse(path, 'is a whole number beyond 2^53, which JSON rounds: write its digits as a string');
  if (typeof value !== 'object' || value === null) return;
  if (depth === JSON_DEPTH_MAX) refuse(path, `is nested more than ${JSON_DEPTH_MAX} deep`);
  for (const [key, member] of Object.entries(value)) refuseRounded(member, `${path}.${key}`, depth + 1);
}

function stringOf(value: unknown, path: string): string {
  return typeof value === 'string' ? value : refuse(path, `must be a string, not ${jsonTypeOf(value)}`);
}

function jsonTypeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

function refuse(path: string, why: string): never {
  const subject = path === '' ? 'the input' : `field "${boundedText(path, SHOWN_LENGTH_MAX)}"`;
  throw new RstowError('invalid-input', `${subject} ${why}`, { details: { field: path } });
}

/** Fields that every workflow takes. */
export const commonFields = {
  /** The database, as the agents' config files name it. */
  database: nameField,
  /** Who asked: a name for the record, not an access control. */
  requestedBy: optional(textField(200)),
  /** Why: for the record. */
  reason: optional(textField(1000)),
  /** A repository of the database; the primary where absent. */
  repository: optional(nameField),
};

/**
 * The parser of one workflow type. It takes the workflow's whole argument list, for a start from the
 * UI may have none or two. Fails: invalid-input, with one sentence that names the field.
 */
export function inputParser<F extends Fields>(type: string, fields: F): (args: readonly unknown[]) => Parsed<F> {
  return (args) => {
    if (args.length !== 1 || args[0] === undefined || args[0] === null) {
      throw new RstowError('invalid-input', `${type} takes one JSON object, such as {"database": "orders"}`, {
        details: { arguments: args.length },
      });
    }
    return objectField(fields)(args[0], '');
  };
}
