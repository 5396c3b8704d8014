import { z } from 'zod';
import { meantText } from '../core/text/nearest-name.ts';
import { type AgentConfig, agentConfigSchema } from './agent-config.ts';
import { scheduleInputFault } from './schedules.ts';

/** What is wrong at one place, as it follows the place's name: `is missing`. */
export type ConfigFault = { path: ConfigPath; what: string };
export type ConfigPath = readonly PropertyKey[];

/** What a file says, as YAML has it: a config, or all that is wrong with it. */
export function parseConfigValue(value: unknown): { config: AgentConfig } | { faults: ConfigFault[] } {
  const parsed = agentConfigSchema.safeParse(value);
  const faults = [...(parsed.error?.issues ?? []).flatMap((issue) => faultsOf(value, issue)), ...crossFaults(value)];
  return parsed.success && faults.length === 0 ? { config: parsed.data } : { faults };
}

type ConfigIssue = z.core.$ZodIssue;

function faultsOf(value: unknown, issue: ConfigIssue): ConfigFault[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], what: unknownText(key, configKeys(path)) }));
  }
  return [{ path, what: whatOf(valueAt(value, path), issue) }];
}

/** `known`: the keys of all kinds that may stand there. */
function unknownText(key: string, known: readonly string[]): string {
  return known.includes(key) ? 'is no key of this kind' : `is unknown${meantText(key, known)}`;
}

function whatOf(value: unknown, issue: ConfigIssue): string {
  const { path } = issue;
  if (value === undefined) return `is missing${exampleText(path)}`;
  if (value === null) return `is empty${exampleText(path)}`;
  switch (issue.code) {
    case 'invalid_union':
      return `must be one of ${configChoices(path).join(', ')}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_type':
      return `must be ${TYPE_TEXTS[issue.expected] ?? issue.expected}${exampleText(path)}`;
    case 'too_small':
      return issue.origin === 'number' ? `must be at least ${issue.minimum}` : `must not be empty${exampleText(path)}`;
    case 'too_big':
      return issue.origin === 'number' ? `must be at most ${issue.maximum}` : `must have at most ${issue.maximum} entries`;
    case 'invalid_key':
      return `is not a name that is allowed here: it ${issue.issues[0]?.message.replace(/^Invalid string: /, '') ?? 'is wrong'}`;
    default:
      return issue.message;
  }
}

const TYPE_TEXTS: Record<string, string> = {
  string: 'text, in quotes if need be',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section with keys',
  record: 'a section with keys',
};

/** What to write, if the schema has an example or keys of its own. */
function exampleText(path: ConfigPath): string {
  const example = configExample(path);
  if (example !== undefined) return `; write, for example, ${String(path.at(-1))}: ${example}`;
  const keys = configKeys(path);
  return keys.length === 0 || path.length === 0 ? '' : `; its keys are ${keys.join(', ')}`;
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' ? (inner as Record<PropertyKey, unknown> | null)?.[key] : undefined),
    value,
  );
}

type CrossFault = { path: PropertyKey[]; what: string };

/**
 * What is wrong between sections. It reads the file as it stands: whatever else is wrong with it, these faults are reported in
 * the same pass, and what isn't of its kind is left to the schema.
 */
function crossFaults(config: unknown): CrossFault[] {
  const repositories = entriesOf(memberOf(config, 'repositories'));
  const databases = entriesOf(memberOf(config, 'databases'));
  return [
    ...repositoryFaults(repositories, databases),
    ...quorumFaults(databases),
    ...inputFaults(databases),
    ...placeFaults(repositories, databases),
  ];
}

type Entries = [string, unknown][];

/** A database's repositories are names of this same file. */
function repositoryFaults(repositories: Entries, databases: Entries): CrossFault[] {
  const known = repositories.map(([name]) => name);
  return databases.flatMap(([database, section]) => {
    const names = memberOf(section, 'repositories');
    const listed: unknown[] = Array.isArray(names) ? names : [];
    return [...listed.entries()].flatMap(([index, name]) => {
      if (typeof name !== 'string' || known.includes(name)) return [];
      const what = `names the repository "${name}", which "repositories" does not have${meantText(name, known)}`;
      return [{ path: ['databases', database, 'repositories', index], what }];
    });
  });
}

/** No more repositories can have a backup than there are. */
function quorumFaults(databases: Entries): CrossFault[] {
  return databases.flatMap(([database, section]) => {
    const [quorum, names] = [memberOf(section, 'quorum'), memberOf(section, 'repositories')];
    if (typeof quorum !== 'number' || !Array.isArray(names) || quorum <= new Set(names).size) return [];
    return [{ path: ['databases', database, 'quorum'], what: `must be at most ${new Set(names).size}, the number of its repositories` }];
  });
}

/** Runs of a schedule get an input that their workflow takes. */
function inputFaults(databases: Entries): CrossFault[] {
  return databases.flatMap(([database, section]) =>
    entriesOf(memberOf(section, 'schedules')).flatMap(([type, schedule]) => {
      const what = scheduleInputFault(database, type, memberOf(schedule, 'input') ?? {});
      return what === undefined ? [] : [{ path: ['databases', database, 'schedules', type, 'input'], what }];
    }),
  );
}

/** A repository in a data directory is replaced with it, and a data directory in a repository is no object of it. */
function placeFaults(repositories: Entries, databases: Entries): CrossFault[] {
  const dataDirs = databases.map(([, section]) => memberOf(section, 'dataDir')).filter(isAbsolute);
  return repositories.flatMap(([name, section]) => {
    const path = memberOf(section, 'path');
    if (!isAbsolute(path)) return [];
    const dataDir = dataDirs.find((other) => isWithin(path, other) || isWithin(other, path));
    if (dataDir === undefined) return [];
    return [{ path: ['repositories', name, 'path'], what: `must lie outside of the data directory ${dataDir}, and not around it` }];
  });
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function entriesOf(value: unknown): Entries {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function isAbsolute(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('/');
}

function isWithin(path: string, folder: string): boolean {
  const outer = partsOf(folder);
  const inner = partsOf(path);
  return outer.every((part, index) => part === inner[index]);
}

/** Of an absolute path, with `.` and `..` resolved. */
function partsOf(path: string): string[] {
  return path.split('/').reduce<string[]>((parts, part) => {
    if (part === '..') return parts.slice(0, -1);
    return part === '' || part === '.' ? parts : [...parts, part];
  }, []);
}

/** What the schema of the config says of one place, as far as anybody reads it. */
export type JsonSchema = {
  type?: string;
  description?: string;
  /** What a value is or counts, such as `ms`. */
  unit?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  maxItems?: number;
  enum?: string[];
  required?: string[];
  /** A whole section, for the reference page. */
  sample?: object;
  properties?: Record<string, JsonSchema>;
  /** Of a section whose keys are some of a few names. */
  propertyNames?: { enum?: string[] };
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  const?: unknown;
  examples?: unknown[];
};

/** The keys that the config file may have below `path`, for telling a person which one was meant. */
export function configKeys(path: readonly PropertyKey[]): string[] {
  return [...new Set(schemasAt(path).flatMap(({ properties, propertyNames }) => propertyNames?.enum ?? Object.keys(properties ?? {})))];
}

/** The values that the key at `path` may have where it chooses one of several shapes, such as `kind`. */
export function configChoices(path: readonly PropertyKey[]): string[] {
  return [...new Set(schemasAt(path).flatMap((schema) => (typeof schema.const === 'string' ? [schema.const] : [])))];
}

/** What the key at `path` may say, as YAML, if the schema has an example. */
function configExample(path: readonly PropertyKey[]): string | undefined {
  const [example] = schemasAt(path).flatMap(({ examples = [] }) => examples);
  return example === undefined ? undefined : typeof example === 'string' ? example : JSON.stringify(example);
}

/** Several if a choice of shapes lies on the way. */
function schemasAt(path: readonly PropertyKey[]): JsonSchema[] {
  return path.reduce<JsonSchema[]>((schemas, key) => schemas.flatMap((schema) => memberSchemas(schema, key)), shapesOf(configJsonSchema()));
}

/** The schema of the whole file. */
export function configJsonSchema(): JsonSchema {
  return z.toJSONSchema(agentConfigSchema, { io: 'input' }) as JsonSchema;
}

function memberSchemas(schema: JsonSchema, key: PropertyKey): JsonSchema[] {
  const { additionalProperties } = schema;
  const others = typeof additionalProperties === 'object' ? additionalProperties : undefined;
  const member = typeof key === 'number' ? schema.items : (schema.properties?.[String(key)] ?? others);
  return member === undefined ? [] : shapesOf(member);
}

function shapesOf(schema: JsonSchema): JsonSchema[] {
  const shapes = schema.anyOf ?? schema.oneOf;
  return shapes === undefined ? [schema] : shapes.flatMap(shapesOf);
}
