import { z } from 'zod';
import { agentConfigSchema } from './agent-config.ts';

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
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  const?: unknown;
  examples?: unknown[];
};

/** The keys that the config file may have below `path`, for telling a person which one was meant. */
export function configKeys(path: readonly PropertyKey[]): string[] {
  return [...new Set(schemasAt(path).flatMap((schema) => Object.keys(schema.properties ?? {})))];
}

/** The values that the key at `path` may have where it chooses one of several shapes, such as `kind`. */
export function configChoices(path: readonly PropertyKey[]): string[] {
  return schemasAt(path).flatMap((schema) => (typeof schema.const === 'string' ? [schema.const] : []));
}

/** What the key at `path` may say, as YAML, if the schema has an example. */
export function configExample(path: readonly PropertyKey[]): string | undefined {
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
