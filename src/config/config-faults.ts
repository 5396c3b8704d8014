import type { z } from 'zod';
import { meantText } from '../core/text/nearest-name.ts';
import { type AgentConfig, agentConfigSchema } from './agent-config.ts';
import { configChoices, configExample, configKeys } from './config-keys.ts';
import { crossFaults } from './cross-faults.ts';

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
    return issue.keys.map((key) => ({ path: [...path, key], what: `is unknown${meantText(key, configKeys(path))}` }));
  }
  return [{ path, what: whatOf(valueAt(value, path), issue) }];
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
