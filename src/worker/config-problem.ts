import { type Document, isMap, isNode, type LineCounter } from 'yaml';
import type { agentConfigSchema } from '../config/agent-config.ts';
import { configChoices, configKeys } from '../config/config-keys.ts';
import { nearestName } from '../contract/nearest-name.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

/** The file's text as YAML sees it, for naming lines. */
export type ConfigSource = { file: string; document: Document; lines: LineCounter };

export type ConfigPath = readonly PropertyKey[];

type ParseFailure = Exclude<ReturnType<typeof agentConfigSchema.safeParse>['error'], undefined>;
type ConfigIssue = ParseFailure['issues'][number];

/** The first problem in one sentence; the others mostly follow from it. */
export function configIssueError(source: ConfigSource, failure: ParseFailure): RstowError {
  const issue = failure.issues[0] as ConfigIssue;
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] as string;
    return configError(source, [...issue.path, key], `is unknown${meant(key, configKeys(issue.path))}`);
  }
  if (issue.code === 'invalid_union') {
    return configError(source, issue.path, `must be one of ${configChoices(issue.path).join(', ')}`);
  }
  const isMissing = issue.code === 'invalid_type' && source.document.getIn(issue.path) === undefined;
  return configError(source, issue.path, isMissing ? 'is missing' : lowerFirst(issue.message));
}

/** `/etc/rstow/rstow.yaml, line 12: databases.orders.dataDir must be an absolute path`. */
export function configError(source: ConfigSource, path: ConfigPath, what: string): RstowError {
  const field = path.map(String).join('.');
  const line = lineOf(source, path);
  const sentence = `${source.file}${line === undefined ? '' : `, line ${line}`}: ${field === '' ? 'the file' : field} ${what}`;
  return new RstowError('invalid-config', sentence, { details: { file: source.file, field, line: line ?? null } });
}

export function meant(misspelt: string, known: readonly string[]): string {
  const nearest = nearestName(misspelt, known);
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}

/** Of the key itself where it is there, else of the nearest thing around it. */
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

/** Zod begins its own sentences with `Invalid input: `. */
function lowerFirst(message: string): string {
  const text = message.replace(/^Invalid input: /, 'is wrong: ');
  return text.charAt(0).toLowerCase() + text.slice(1);
}
