import { readFile } from 'node:fs/promises';
import { LineCounter, parseDocument } from 'yaml';
import { type AgentConfig, agentConfigSchema } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { configError, configIssueError, type ConfigSource, meant } from './config-problem.ts';

/** Reads and checks the agent's config file. Fails: invalid-config, in one sentence that names file, line and field. */
export async function loadConfig(file: string): Promise<AgentConfig> {
  return parseConfig(file, await readConfigFile(file));
}

/** Fails: invalid-config. */
export function parseConfig(file: string, text: string): AgentConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const source: ConfigSource = { file, document, lines };
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) {
    const [said] = syntaxError.message.split('\n');
    throw new RstowError('invalid-config', `${file} is not YAML: ${said ?? syntaxError.code}`, { details: { file }, cause: syntaxError });
  }
  const parsed = agentConfigSchema.safeParse(document.toJS());
  if (!parsed.success) throw configIssueError(source, parsed.error);
  requireRepositories(source, parsed.data);
  return parsed.data;
}

async function readConfigFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new RstowError('invalid-config', `${file} can't be read: ${why}`, { details: { file }, cause });
  }
}

/** A database's repositories are names of this same file. */
function requireRepositories(source: ConfigSource, config: AgentConfig): void {
  const known = Object.keys(config.repositories);
  for (const [database, { repositories }] of Object.entries(config.databases)) {
    for (const [index, name] of repositories.entries()) {
      if (known.includes(name)) continue;
      const what = `names the repository "${name}", which "repositories" does not have${meant(name, known)}`;
      throw configError(source, ['databases', database, 'repositories', index], what);
    }
  }
}
