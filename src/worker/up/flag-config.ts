import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import type { AgentConfig } from '../../config/agent-config.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readStateFile, replaceStateFile } from '../../io/agent-state/state-file.ts';
import { parseConfig } from '../load-config.ts';

/** What one database needs to be backed up; all paths are absolute. */
export type FlagConfig = { database: string; dataDir: string; server: string; repository: string; stateDir: string };

const REPOSITORY = 'local';

/**
 * The config file of a database that was named by flags, made once in the state directory: later edits of it stand,
 * as long as it is about the same places. Fails: invalid-config, repository-unavailable. Twice: the same file.
 */
export async function flagConfigFile(flags: FlagConfig): Promise<string> {
  const file = join(flags.stateDir, 'rstow.yaml');
  const text = await readStateFile(file);
  if (text === undefined) await make(file, flags);
  else requireSamePlaces(file, parseConfig(file, text), flags);
  return file;
}

async function make(file: string, flags: FlagConfig): Promise<void> {
  const text = `# Made by \`rstow up\`; edit it as you like. examples/rstow.yaml shows every setting.\n${stringify(configOf(flags))}`;
  parseConfig('the flags', text);
  await makeRepositoryFolder(flags.repository);
  await replaceStateFile(file, text);
}

function configOf({ database, dataDir, server, repository, stateDir }: FlagConfig): object {
  return {
    agent: { stateDir },
    temporal: { embedded: {} },
    repositories: { [REPOSITORY]: { kind: 'folder', path: repository } },
    databases: { [database]: { server: { address: server }, dataDir, repositories: [REPOSITORY] } },
  };
}

/** The folder itself only: where its parent is missing, a disk may not be mounted. */
async function makeRepositoryFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    const sentence = `the repository's folder can't be made in ${dirname(path)}: ${code ?? String(cause)}`;
    throw new RstowError('repository-unavailable', sentence, { details: { path }, cause });
  }
}

function requireSamePlaces(file: string, config: AgentConfig, flags: FlagConfig): void {
  const settings = config.databases[flags.database];
  const repository = config.repositories[settings?.repositories[0] ?? REPOSITORY]?.path;
  const isSame = settings?.dataDir === flags.dataDir && settings.server.address === flags.server && repository === flags.repository;
  if (isSame) return;
  const sentence = `${file} was made for other places than the flags name: start with --config ${file}, or choose another --state-dir`;
  throw new RstowError('invalid-config', sentence, { details: { file } });
}
