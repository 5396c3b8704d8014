import { readFile } from 'node:fs/promises';
import { type Document, isMap, isNode, LineCounter, parseDocument } from 'yaml';
import type { AgentConfig } from '../config/agent-config.ts';
import { type ConfigFault, type ConfigPath, parseConfigValue } from '../config/config-faults.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { errnoOf } from '../io/files/errno.ts';

/** The file's text as YAML sees it, for naming lines. */
type ConfigSource = { file: string; document: Document; lines: LineCounter };

const SYNTAX_ERRORS_NAMED_MAX = 5;
const FAULTS_NAMED_MAX = 20;

/**
 * Reads and checks the agent's config file. Fails: invalid-config, naming the file and the line and field of each fault, with the detail
 * `errno` if it can't be read.
 */
export async function loadConfig(file: string): Promise<AgentConfig> {
  return parseConfig(file, await readConfigFile(file));
}

/** Fails: invalid-config. */
export function parseConfig(file: string, text: string): AgentConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const source: ConfigSource = { file, document, lines };
  requireYaml(source);
  if (document.contents === null) throw new RstowError('invalid-config', `${file} is empty`, { details: { file } });
  const parsed = parseConfigValue(document.toJS());
  if ('faults' in parsed) throw configError(source, parsed.faults);
  return parsed.config;
}

async function readConfigFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const errno = errnoOf(cause) ?? String(cause);
    const details = { file, errno };
    if (errno !== 'ENOENT') throw new RstowError('invalid-config', `${file} can't be read: ${errno}`, { details, cause });
    const hint = 'Name the config file by --config or RSTOW_CONFIG. `rstow up` makes one from --data-dir, --server and --repository.';
    throw new RstowError('invalid-config', `the config file ${file} does not exist`, { details, hint, cause });
  }
}

function requireYaml({ file, document }: ConfigSource): void {
  const [cause] = document.errors;
  if (cause === undefined) return;
  const said = document.errors
    .slice(0, SYNTAX_ERRORS_NAMED_MAX)
    .map(({ message, code }) => message.split('\n')[0]?.replace(/:$/, '') ?? code);
  throw new RstowError('invalid-config', `${file} is not YAML: ${said.join('; ')}`, { details: { file }, cause });
}

/**
 * All faults at once, in the order of the file's lines, so that it is corrected in one go:
 * `/etc/rstow/rstow.yaml, line 12: databases.orders.dataDir must be an absolute path`, or a line for each of several.
 */
function configError(source: ConfigSource, faults: readonly ConfigFault[]): RstowError {
  const { file } = source;
  const located = faults
    .map(({ path, what }) => ({ line: lineOf(source, path), field: fieldOf(path), what }))
    .sort((left, right) => (left.line ?? 0) - (right.line ?? 0));
  const [first] = located;
  const details = { file, field: first?.field ?? '', line: first?.line ?? null, faults: located.length };
  if (first !== undefined && located.length === 1) {
    const where = first.line === undefined ? file : `${file}, line ${first.line}`;
    return new RstowError('invalid-config', `${where}: ${first.field} ${first.what}`, { details });
  }
  const named = located
    .slice(0, FAULTS_NAMED_MAX)
    .map(({ line, field, what }) => `  ${line === undefined ? '' : `line ${line}: `}${field} ${what}`);
  const more = located.length > named.length ? [`  and ${located.length - named.length} more`] : [];
  return new RstowError('invalid-config', `${file} has ${located.length} faults:\n${[...named, ...more].join('\n')}`, { details });
}

function fieldOf(path: ConfigPath): string {
  return path.length === 0 ? 'the file' : path.map(String).join('.');
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
