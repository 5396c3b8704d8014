import { access, constants, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Document, parseDocument, stringify } from 'yaml';
import type { AgentConfig, DatabaseConfig, TimingConfig } from '../config/agent-config.ts';
import { type ConfigPath, parseConfigValue } from '../config/config-faults.ts';
import { KEPT_CONFIG_NAME } from '../contract/default-places.ts';
import type { ErrorCode } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { readStateFile, replaceStateFile } from '../io/agent-state/state-file.ts';
import { discoverServer } from '../io/rstmdb/discover-server.ts';
import { parseConfig } from '../worker/load-config.ts';
import { hostPathOf } from '../io/service/running-containers.ts';
import { foundService, type FoundService } from './found-service.ts';
import { checkDataDirectoryIsServers } from '../database/data-directory-check.ts';
import { openServer } from '../database/database.ts';
import { readStopNote } from '../io/data-directory/rstow-folder.ts';
import { isNobodyThere } from '../io/rstmdb/connection-error.ts';
import { createCallGate } from '../io/repository/wrap/call-gate.ts';
import { ownSigningKey } from '../worker/signing-key.ts';
import { requireSeparate } from '../worker/repositories.ts';
import { repositoryPlace } from '../core/repository/repository-place.ts';

/** What one database needs to be backed up; all paths are absolute. */
export type FlagConfig = { database: string; dataDir: string; server: string; repository: string; stateDir: string };

type KeptConfig = {
  file: string;
  /** What was found of the server and written down now; undefined if the file says already how it is started. */
  found: FoundService | undefined;
};

const REPOSITORY = 'local';
const OWN_SIGNER = 'this-host';
/** A key or a command that is folded into two lines can't be searched for. */
const UNFOLDED = { lineWidth: 0 };
const HEADER = '# Made by `rstow up`; edit it as you like. docs/configuration.md describes every key.\n';

/**
 * The config file of a database that was named by flags, made once in the state directory: later edits of it are kept,
 * as long as it is about the same places. How the server is stopped and started is found out while the file doesn't say.
 * Fails: invalid-config, invalid-input, repository-unavailable; as the places do. Twice: the same file.
 */
export async function flagConfigFile(flags: FlagConfig): Promise<KeptConfig> {
  const file = join(flags.stateDir, KEPT_CONFIG_NAME);
  const text = (await readStateFile(file)) ?? (await newText(flags));
  requireSamePlaces(file, parseConfig(file, text), flags);
  const document = parseDocument(text);
  const found = await findService(document, flags, file);
  const written = found === undefined ? text : document.toString(UNFOLDED);
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
  await requireUsableOptions(flags);
  const isNew = await makeRepositoryFolder(flags.repository);
  // What others have put into an older one bears signatures of their keys, or none.
  const signers = isNew ? { [OWN_SIGNER]: (await ownSigningKey(flags.stateDir)).publicLine } : undefined;
  return `${HEADER}${stringify(configOf(flags, signers), UNFOLDED)}`;
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  'data-directory-missing': 'Mount or create the data directory, or correct --data-dir.',
  'data-directory-foreign': 'Correct --data-dir or --server: both have to be of the same server.',
  'server-unreachable': 'Start the server, or correct --server. No config file was written.',
};

/** There is no file yet: what is wrong is an option of the command line. Fails: invalid-input; as the places do. */
async function requireUsableOptions(flags: FlagConfig): Promise<void> {
  const parsed = parseConfigValue(configOf(flags));
  if ('faults' in parsed) {
    const faults = new Set(parsed.faults.map(({ path, what }) => `${optionOf(path)} ${what}`));
    throw new RstowError('invalid-input', [...faults].join('; '));
  }
  try {
    await requireUsablePlaces(parsed.config, (error) => isFinal(error) || isNobodyThere(error));
  } catch (error) {
    const byCode = error instanceof RstowError ? HINTS[error.code] : undefined;
    if (!(error instanceof RstowError) || byCode === undefined) throw error;
    const seenFromHost = await hostPathOf(flags.dataDir);
    const hint =
      seenFromHost === undefined
        ? byCode
        : `${seenFromHost.container} has it at ${seenFromHost.path} of this host: --data-dir ${seenFromHost.path}`;
    throw new RstowError(error.code, error.message, { details: error.details, hint, cause: error });
  }
}

const OPTIONS: readonly [key: string, option: string][] = [
  ['dataDir', '--data-dir'],
  ['address', '--server'],
  ['path', '--repository'],
  ['bucket', '--repository'],
  ['prefix', '--repository'],
  ['stateDir', '--state-dir'],
];

/** The option that a value of the config came from. */
function optionOf(path: ConfigPath): string {
  return OPTIONS.find(([key]) => path.at(-1) === key)?.[1] ?? '--database';
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

function configOf({ database, dataDir, server, repository, stateDir }: FlagConfig, signers?: Record<string, string>): object {
  return {
    agent: { stateDir },
    temporal: { embedded: {} },
    repositories: { [REPOSITORY]: { ...repositoryOf(repository), signers } },
    databases: { [database]: { server: { address: server }, dataDir, repositories: [REPOSITORY] } },
  };
}

const S3_PLACE = /^s3:\/\/([^/]*)(?:\/(.*?))?\/?$/;

/** A bucket of Amazon's, if it is named as AWS's tools do: `s3://bucket/prefix`. */
function repositoryOf(place: string): object {
  const [, bucket, prefix] = S3_PLACE.exec(place) ?? [];
  if (bucket === undefined) return { kind: 'folder', path: place };
  return prefix === undefined || prefix === '' ? { kind: 's3', bucket } : { kind: 's3', bucket, prefix };
}

/**
 * The folder itself only: if its parent is missing, a disk may not be mounted. False if somebody may have something in it
 * already. A bucket is there, or isn't.
 */
async function makeRepositoryFolder(path: string): Promise<boolean> {
  if (S3_PLACE.test(path)) return false;
  try {
    await mkdir(path);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') return (await readdir(path)).length === 0;
    const sentence = `the repository's folder can't be made in ${dirname(path)}: ${code ?? String(cause)}`;
    throw new RstowError('repository-unavailable', sentence, { details: { path }, cause });
  }
}

function requireSamePlaces(file: string, config: AgentConfig, flags: FlagConfig): void {
  const settings = config.databases[flags.database];
  const repository = config.repositories[settings?.repositories[0] ?? REPOSITORY];
  const section = `databases.${flags.database}`;
  const place = `repositories.${settings?.repositories[0] ?? REPOSITORY}`;
  const kept = [
    { option: '--data-dir', key: `${section}.dataDir`, value: settings?.dataDir, given: flags.dataDir },
    { option: '--server', key: `${section}.server.address`, value: settings?.server.address, given: flags.server },
    { option: '--repository', key: place, value: repository && repositoryPlace(repository), given: flags.repository.replace(/\/$/, '') },
  ];
  const others = kept.filter(({ value, given }) => value !== given);
  if (others.length === 0) return;
  const elsewhere = 'For another server choose another --state-dir.';
  if (settings === undefined) {
    const sentence = `${file} has no database "${flags.database}"; it has: ${Object.keys(config.databases).join(', ')}`;
    throw new RstowError('invalid-config', sentence, { details: { file }, hint: `Name it by --database as that file does. ${elsewhere}` });
  }
  const sentence = `${file} was made with ${others.map(({ option, value }) => `${option} ${value ?? 'none'}`).join(' and ')}`;
  const keys = others.map(({ key }) => key).join(' and ');
  const hint = `If the file is right, start with --config ${file}; if the command line is, correct ${keys} in the file. ${elsewhere}`;
  throw new RstowError('invalid-config', sentence, { details: { file }, hint });
}

const FINAL: readonly string[] = ['data-directory-missing', 'data-directory-foreign', 'permission-denied', 'invalid-config'];

/** Whether it is what no waiting mends. */
function isFinal({ code }: RstowError): boolean {
  return FINAL.includes(code);
}

/** A wrong place shows at once; a server that is slow or down is waited for later. */
const SERVER_ANSWER_MS = 5_000;
const REPOSITORY_ANSWER_MS = 5_000;

/**
 * Refuses to begin if no database of the config can be served: a program that waits for ever for what can't come true
 * looks like protection. A server that is down is none of that: it will come up.
 * Fails: data-directory-missing, data-directory-foreign, permission-denied, invalid-config, or what else `refuses`; the first database's.
 */
export async function requireUsablePlaces(config: AgentConfig, refuses = isFinal): Promise<void> {
  const settingsOfAll = Object.values(config.databases);
  const failures = (await Promise.all(settingsOfAll.map((settings) => placeFailure(settings, config)))).map((failure) =>
    failure !== undefined && refuses(failure) ? failure : undefined,
  );
  const [first] = failures;
  if (first !== undefined && !failures.includes(undefined)) throw first;
}

/** A host that stands by has nothing there yet, and a restore that was cut off is finished first. */
async function placeFailure(settings: DatabaseConfig, config: AgentConfig): Promise<RstowError | undefined> {
  try {
    for (const name of settings.repositories) await requireRepositoryApart(config, name);
    if (settings.standby) return undefined;
    await requireDirectory(settings.dataDir);
    if ((await readStopNote(settings.dataDir)) !== undefined) return undefined;
    await requireServersDirectory(settings, config.timing);
    return undefined;
  } catch (error) {
    if (error instanceof RstowError) return error;
    throw error;
  }
}

/** A disk that hangs is checked again when the repository is opened. */
async function requireRepositoryApart({ repositories, databases }: AgentConfig, name: string): Promise<void> {
  const settings = repositories[name];
  if (settings?.kind !== 'folder') return;
  const { path } = settings;
  const gate = createCallGate(`folder ${path}`, { answerMs: REPOSITORY_ANSWER_MS, callsMax: 1, unansweredMax: 1, retryMs: 0 });
  await gate.call('find where it lies', () => requireSeparate(path, databases));
}

async function requireDirectory(dataDir: string): Promise<void> {
  try {
    if (!(await stat(dataDir)).isDirectory()) throw missing(dataDir, 'is no directory');
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? '';
    if (errno === 'ENOENT' || errno === 'ENOTDIR') throw missing(dataDir, 'does not exist');
    if (cause instanceof RstowError || !['EACCES', 'EPERM', 'EROFS'].includes(errno)) throw cause;
    const sentence = `this user can't read and write ${dataDir}: ${errno}`;
    throw new RstowError('permission-denied', sentence, { details: { dataDir, errno }, cause });
  }
}

function missing(dataDir: string, what: string): RstowError {
  return new RstowError('data-directory-missing', `${dataDir} ${what}`, { details: { dataDir } });
}

async function requireServersDirectory(settings: DatabaseConfig, timing: TimingConfig): Promise<void> {
  const server = openServer(settings, timing);
  await server.ask((client) => checkDataDirectoryIsServers(server, client), { answerMs: SERVER_ANSWER_MS });
}

/** Fails: server-unreachable, data-directory-foreign, as a connection does. */
export async function requireServer({ databases, timing }: AgentConfig, database: string): Promise<void> {
  const settings = databases[database];
  if (settings !== undefined && !settings.standby) await requireServersDirectory(settings, timing);
}
