import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Document, parseDocument, stringify } from 'yaml';
import type { AgentConfig } from '../config/agent-config.ts';
import { KEPT_CONFIG_NAME } from '../contract/default-places.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { readStateFile, replaceStateFile } from '../io/agent-state/state-file.ts';
import { discoverServer } from '../io/rstmdb/discover-server.ts';
import { parseConfig } from '../worker/load-config.ts';
import { foundService, type FoundService } from './found-service.ts';
import { requireUsablePlaces } from './usable-places.ts';

/** What one database needs to be backed up; all paths are absolute. */
export type FlagConfig = { database: string; dataDir: string; server: string; repository: string; stateDir: string };

export type KeptConfig = {
  file: string;
  /** What was found of the server and written down now; undefined if the file says already how it is started. */
  found: FoundService | undefined;
};

const REPOSITORY = 'local';
const HEADER = '# Made by `rstow up`; edit it as you like. docs/configuration.md describes every key.\n';

/**
 * The config file of a database that was named by flags, made once in the state directory: later edits of it are kept,
 * as long as it is about the same places. How the server is stopped and started is found out while the file doesn't say.
 * Fails: invalid-config, repository-unavailable; as the places do. Twice: the same file.
 */
export async function flagConfigFile(flags: FlagConfig): Promise<KeptConfig> {
  const file = join(flags.stateDir, KEPT_CONFIG_NAME);
  const text = (await readStateFile(file)) ?? (await newText(flags));
  requireSamePlaces(file, parseConfig(file, text), flags);
  const document = parseDocument(text);
  const found = await findService(document, flags, file);
  const written = found === undefined ? text : String(document);
  parseConfig(file, written);
  if (written !== (await readStateFile(file))) await replaceStateFile(file, written);
  return { file, found };
}

/** The same, and nothing is written. Fails: invalid-config. */
export async function flagConfig(flags: FlagConfig): Promise<AgentConfig> {
  const file = join(flags.stateDir, KEPT_CONFIG_NAME);
  const document = parseDocument((await readStateFile(file)) ?? stringify(configOf(flags)));
  await findService(document, flags, file);
  return parseConfig(file, String(document));
}

/** Nothing is written down that can't work: the next command line may name other places. */
async function newText(flags: FlagConfig): Promise<string> {
  const text = `${HEADER}${stringify(configOf(flags))}`;
  await requireUsablePlaces(parseConfig('the options', text));
  await makeRepositoryFolder(flags.repository);
  return text;
}

/** Adds to the document what it doesn't say yet. */
async function findService(document: Document, flags: FlagConfig, configFile: string): Promise<FoundService | undefined> {
  const { database, dataDir, server, stateDir } = flags;
  const section = ['databases', database];
  if (document.hasIn([...section, 'service'])) return undefined;
  const running = await discoverServer({ dataDir, address: server });
  const found = await foundService(running, { database, stateDir, configFile });
  if (found.service !== undefined) document.setIn([...section, 'service'], document.createNode(found.service));
  if (found.rehearsal !== undefined && !document.hasIn([...section, 'rehearsal'])) {
    document.setIn([...section, 'rehearsal'], document.createNode(found.rehearsal));
  }
  return found;
}

function configOf({ database, dataDir, server, repository, stateDir }: FlagConfig): object {
  return {
    agent: { stateDir },
    temporal: { embedded: {} },
    repositories: { [REPOSITORY]: { kind: 'folder', path: repository } },
    databases: { [database]: { server: { address: server }, dataDir, repositories: [REPOSITORY] } },
  };
}

/** The folder itself only: if its parent is missing, a disk may not be mounted. */
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
  const sentence = `${file} was made for other places than the flags name: start with --config ${file}, correct that file, or choose another --state-dir`;
  throw new RstowError('invalid-config', sentence, { details: { file } });
}
