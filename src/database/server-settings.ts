import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import { serverConfigSchema } from '../config/database.ts';
import type { Compaction } from '../core/protection/compaction.ts';
import { type ProcessIdentity, processStartedAtMs, readEnvironment, unlessGone } from '../io/process/proc.ts';
import { findServerProcess, type ServerPlace } from '../io/rstmdb/discover-server.ts';
import type { Service } from '../io/service/service.ts';

/** The settings of the running server, as far as rstow depends on it. */
export type ServerSettings = { compaction: Compaction };

type Place = {
  readonly server: ServerPlace & { readonly service: Pick<Service, 'program'> };
  readonly settings: { readonly server: { readonly configFiles: readonly string[] } };
};

type ConfigFile = { name: string; path: string };

/** The clock that files are stamped with and the one that processes are counted with differ by less. */
const CLOCK_DOUBT_MS = 2_000;

/**
 * Reads the settings of the server that works in the data directory: from its process where that can be seen, else from
 * the environment that rstow starts it with and the config files that rstow's own config names. What nobody says is rstmdb's default. Never fails: a setting that
 * can't be learnt is said to be so.
 * @see rstmdb-server 0.3.0 src/config.rs: environment above file above default
 */
export async function readServerSettings(place: Place): Promise<ServerSettings> {
  const server = await findServerProcess(place.server);
  const environment = server === undefined ? undefined : await readEnvironment(server.pid);
  if (server === undefined || environment === undefined) return { compaction: await compactionUnseen(place) };
  return { compaction: await compactionOf(server, environment) };
}

async function compactionOf(server: ProcessIdentity, environment: ReadonlyMap<string, string>): Promise<Compaction> {
  const value = environment.get('RSTMDB_COMPACT_ENABLED');
  if (value !== undefined) return { isOn: isTrue(value), source: { kind: 'environment', pid: server.pid, value } };
  const name = environment.get('RSTMDB_CONFIG');
  if (name === undefined) return { isOn: true, source: { kind: 'default' } };
  return compactionByOwnFile(server, { name, path: asSeenBy(server, name) });
}

async function compactionByOwnFile(server: ProcessIdentity, file: ConfigFile): Promise<Compaction> {
  const saysOn = await compactionIn(file.path);
  if (await isNewerThan(file.path, server)) {
    return { isOn: true, source: { kind: 'changed-file', file: file.name, saysOn: saysOn ?? true } };
  }
  if (saysOn === undefined) return { isOn: true, source: { kind: 'default', file: file.name } };
  return { isOn: saysOn, source: { kind: 'file', file: file.name } };
}

async function compactionUnseen({ server, settings }: Place): Promise<Compaction> {
  const value = server.service.program?.env['RSTMDB_COMPACT_ENABLED'];
  return value === undefined ? compactionByFiles(settings.server.configFiles) : { isOn: isTrue(value), source: { kind: 'service', value } };
}

function isTrue(value: string): boolean {
  return value === '1' || value.toLowerCase() === 'true';
}

/** The last file that says something counts: nobody knows in which order the server would read them. */
async function compactionByFiles(files: readonly string[]): Promise<Compaction> {
  for (const file of files.toReversed()) {
    const saysOn = await compactionIn(file);
    if (saysOn !== undefined) return { isOn: saysOn, source: { kind: 'file', file } };
  }
  return { isOn: true, source: { kind: 'unseen' } };
}

/** Undefined where the file can't be read or says nothing of it; the server doesn't start on one that is no YAML. */
async function compactionIn(path: string): Promise<boolean | undefined> {
  try {
    return serverConfigSchema.parse(parse(await readFile(path, 'utf8'))).compaction?.enabled;
  } catch {
    return undefined;
  }
}

/** A server in a container has a root of its own, and a relative path begins where it was started. */
function asSeenBy({ pid }: ProcessIdentity, file: string): string {
  return isAbsolute(file) ? join(`/proc/${pid}/root`, file) : join(`/proc/${pid}/cwd`, file);
}

async function isNewerThan(path: string, server: ProcessIdentity): Promise<boolean> {
  const changedAtMs = (await unlessGone(stat(path)))?.mtimeMs;
  const startedAtMs = await processStartedAtMs(server);
  return changedAtMs !== undefined && startedAtMs !== undefined && changedAtMs > startedAtMs + CLOCK_DOUBT_MS;
}
