import { type Document, isMap, isNode, type LineCounter } from 'yaml';
import type { agentConfigSchema } from '../config/agent-config.ts';
import { configChoices, configExample, configKeys } from '../config/config-keys.ts';
import { meantText } from '../contract/nearest-name.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

/** The file's text as YAML sees it, for naming lines. */
export type ConfigSource = { file: string; document: Document; lines: LineCounter };

export type ConfigPath = readonly PropertyKey[];

/** What is wrong at one place, as it follows the place's name: `is missing`. */
export type ConfigFault = { path: ConfigPath; what: string };

type ParseFailure = Exclude<ReturnType<typeof agentConfigSchema.safeParse>['error'], undefined>;
type ConfigIssue = ParseFailure['issues'][number];

const FAULTS_NAMED_MAX = 20;

/**
 * All faults at once, so that a file is corrected in one go:
 * `/etc/rstow/rstow.yaml, line 12: databases.orders.dataDir must be an absolute path`, or a line for each of several.
 */
export function configError(source: ConfigSource, faults: readonly ConfigFault[]): RstowError {
  const { file } = source;
  const [first] = faults;
  const line = first === undefined ? undefined : lineOf(source, first.path);
  const details = { file, field: first === undefined ? '' : fieldOf(first), line: line ?? null, faults: faults.length };
  const named = faults
    .slice(0, FAULTS_NAMED_MAX)
    .map((fault) => ({ where: whereOf(source, fault), what: `${fieldOf(fault)} ${fault.what}` }));
  const [only] = named;
  if (only !== undefined && faults.length === 1) {
    return new RstowError('invalid-config', `${file}${only.where === '' ? '' : `, ${only.where}`}: ${only.what}`, { details });
  }
  const more = faults.length - named.length;
  const lines = [
    ...named.map(({ where, what }) => `  ${where === '' ? '' : `${where}: `}${what}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
  return new RstowError('invalid-config', `${file} has ${faults.length} faults:\n${lines.join('\n')}`, { details });
}

/** What the schema says against the file, in the order of the file's lines. */
export function configFaults(source: ConfigSource, failure: ParseFailure): ConfigFault[] {
  const faults = failure.issues.flatMap((issue) => faultsOf(source, issue));
  return faults.sort((left, right) => (lineOf(source, left.path) ?? 0) - (lineOf(source, right.path) ?? 0));
}

function faultsOf(source: ConfigSource, issue: ConfigIssue): ConfigFault[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], what: `is unknown${meantText(key, configKeys(path))}` }));
  }
  return [{ path, what: whatOf(source, issue) }];
}

function whatOf(source: ConfigSource, issue: ConfigIssue): string {
  const { path } = issue;
  const value: unknown = path.length === 0 ? source.document.toJS() : source.document.getIn(path);
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

function fieldOf({ path }: ConfigFault): string {
  return path.length === 0 ? 'the file' : path.map(String).join('.');
}

function whereOf(source: ConfigSource, { path }: ConfigFault): string {
  const line = lineOf(source, path);
  return line === undefined ? '' : `line ${line}`;
}

/** Of the key itself if it is there, else of the nearest thing around it. */
function lineOf(source: ConfigSource, path: ConfigPath): number | undefined {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const startOffset = keyStart(source.document, path.slice(0, depth));
    if (startOffset !== undefined) return source.lines.linePos(startOffset).line;
  }
  return undefined;
}

function keyStart(document: Document, path: ConfigPath): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const key = path.at(-1);
  const pair = isMap(parent) ? parent.items.find((item) => String(item.key) === String(key)) : undefined;
  const node = pair === undefined ? document.getIn(path, true) : pair.key;
  return isNode(node) ? node.range?.[0] : undefined;
}
