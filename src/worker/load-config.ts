import { readFile } from 'node:fs/promises';
import { normalize, relative, sep } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { type AgentConfig, agentConfigSchema } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { errnoOf } from '../io/files/errno.ts';
import { meantText } from '../contract/nearest-name.ts';
import { configError, type ConfigFault, configFaults, type ConfigSource } from './config-faults.ts';

const SYNTAX_ERRORS_NAMED_MAX = 5;

/** Reads and checks the agent's config file. Fails: invalid-config, naming the file and the line and field of each fault. */
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
  const parsed = agentConfigSchema.safeParse(document.toJS());
  if (!parsed.success) throw configError(source, configFaults(source, parsed.error));
  const faults = [...repositoryFaults(parsed.data), ...placeFaults(parsed.data)];
  if (faults.length > 0) throw configError(source, faults);
  return parsed.data;
}

async function readConfigFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const why = errnoOf(cause) ?? String(cause);
    throw new RstowError('invalid-config', `${file} can't be read: ${why}`, { details: { file }, cause });
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

/** A database's repositories are names of this same file. */
function repositoryFaults(config: AgentConfig): ConfigFault[] {
  const known = Object.keys(config.repositories);
  return Object.entries(config.databases).flatMap(([database, { repositories }]) =>
    [...repositories.entries()]
      .filter(([, name]) => !known.includes(name))
      .map(([index, name]) => ({
        path: ['databases', database, 'repositories', index],
        what: `names the repository "${name}", which "repositories" does not have${meantText(name, known)}`,
      })),
  );
}

/** A repository in a data directory is replaced with it, and a data directory in a repository is no object of it. */
function placeFaults({ repositories, databases }: AgentConfig): ConfigFault[] {
  const dataDirs = Object.values(databases).map(({ dataDir }) => dataDir);
  return Object.entries(repositories).flatMap(([name, { path }]) => {
    const dataDir = dataDirs.find((other) => isWithin(path, other) || isWithin(other, path));
    if (dataDir === undefined) return [];
    return [{ path: ['repositories', name, 'path'], what: `must lie outside of the data directory ${dataDir}, and not around it` }];
  });
}

function isWithin(path: string, folder: string): boolean {
  const rest = relative(normalize(folder), normalize(path));
  return rest === '' || (rest !== '..' && !rest.startsWith(`..${sep}`));
}
