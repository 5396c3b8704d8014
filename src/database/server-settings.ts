import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import { type ServerConfigFile, serverConfigSchema } from '../config/database.ts';
import { type Compaction, COMPACTION_NAMES, type SettingNames, type SettingSource, settingSource } from '../core/protection/compaction.ts';
import type { Fsync, Switch } from '../core/protection/host-risks.ts';
import { type ProcessIdentity, processStartedAtMs, readEnvironment, unlessGone } from '../io/process/proc.ts';
import { findServerProcess, type ServerPlace } from '../io/rstmdb/discover-server.ts';
import type { Service } from '../io/service/service.ts';

/** The settings of the running server, as far as rstow depends on them. */
export type ServerSettings = { compaction: Compaction; fsync: Fsync; metrics: Switch; flushAll: Switch };

type Place = {
  readonly server: ServerPlace & { readonly service: Pick<Service, 'program'> };
  readonly settings: { readonly server: { readonly configFiles: readonly string[] } };
};

/** The clock that files are stamped with and the one that processes are counted with differ by less. */
const CLOCK_DOUBT_MS = 2_000;

/**
 * Reads the settings of the server that works in the data directory: from its process where that can be seen, else from
 * the environment that rstow starts it with and the config files that rstow's own config names. What nobody says is rstmdb's default. Never fails: a setting that
 * can't be learnt is said to be so.
 * @see rstmdb-server 0.3.0 src/config.rs: environment above file above default
 */
export async function readServerSettings(place: Place): Promise<ServerSettings> {
  const seen = await seenSettings(place);
  const switchOf = (setting: Setting<boolean>): Switch => {
    const { value, source } = settingOf(seen, setting);
    return { isOn: value, source: settingSource(source, setting) };
  };
  const fsync = settingOf(seen, FSYNC);
  return {
    compaction: compactionOf(settingOf(seen, COMPACTION)),
    fsync: { policy: fsync.value, source: settingSource(fsync.source, FSYNC) },
    metrics: switchOf(METRICS),
    flushAll: switchOf(FLUSH_ALL),
  };
}

type Setting<Value> = SettingNames & {
  /** The server's own. */ fallback: Value;
  ofText: (text: string) => Value;
  ofFile: (config: ServerConfigFile) => Value | undefined;
};

const isTrue = (text: string): boolean => text === '1' || text.toLowerCase() === 'true';

const COMPACTION: Setting<boolean> = {
  ...COMPACTION_NAMES,
  fallback: true,
  ofText: isTrue,
  ofFile: ({ compaction }) => compaction?.enabled,
};

/** Off unless somebody turns it on. */
const switchedBy = (names: SettingNames, ofFile: Setting<boolean>['ofFile']): Setting<boolean> => ({
  ...names,
  fallback: false,
  ofText: isTrue,
  ofFile,
});

const METRICS = switchedBy({ variable: 'RSTMDB_METRICS_ENABLED', key: 'metrics.enabled' }, ({ metrics }) => metrics?.enabled);

const FLUSH_ALL = switchedBy(
  { variable: 'RSTMDB_ALLOW_FLUSH_ALL', key: 'storage.allow_flush_all' },
  ({ storage }) => storage?.allow_flush_all,
);

const FSYNC: Setting<string> = {
  variable: 'RSTMDB_FSYNC_POLICY',
  key: 'storage.fsync_policy',
  fallback: 'every_write',
  ofText: (text) => (/^(never|every_(n|ms):.*)$/.test(text.toLowerCase()) ? text.toLowerCase() : 'every_write'),
  ofFile: ({ storage }) => policyText(storage?.fsync_policy),
};

/** In a file it is a word, or a tag with a number, as `!every_ms 100`. */
function policyText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const [entry] = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return entry === undefined ? undefined : `${entry[0]}:${String(entry[1])}`;
}

type SeenFile = { name: string; config: ServerConfigFile };

/** What says anything of the settings. */
type Seen =
  | { kind: 'process'; pid: number; environment: ReadonlyMap<string, string>; file?: SeenFile & { isNewer: boolean } }
  | { kind: 'unseen'; environment: Readonly<Record<string, string>>; files: SeenFile[] };

async function seenSettings({ server: place, settings }: Place): Promise<Seen> {
  const server = await findServerProcess(place);
  const environment = server === undefined ? undefined : await readEnvironment(server.pid);
  if (server === undefined || environment === undefined) {
    const files = await Promise.all(settings.server.configFiles.map(async (name) => ({ name, config: await configIn(name) })));
    return { kind: 'unseen', environment: place.service.program?.env ?? {}, files };
  }
  const name = environment.get('RSTMDB_CONFIG');
  if (name === undefined) return { kind: 'process', pid: server.pid, environment };
  const path = asSeenBy(server, name);
  const file = { name, config: await configIn(path), isNewer: await isNewerThan(path, server) };
  return { kind: 'process', pid: server.pid, environment, file };
}

function settingOf<Value>(seen: Seen, setting: Setting<Value>): { value: Value; source: SettingSource } {
  return seen.kind === 'process' ? settingOfProcess(seen, setting) : settingUnseen(seen, setting);
}

type SeenProcess = Extract<Seen, { kind: 'process' }>;

function settingOfProcess<Value>(
  { pid, environment, file }: SeenProcess,
  setting: Setting<Value>,
): { value: Value; source: SettingSource } {
  const { variable, fallback, ofText, ofFile } = setting;
  const text = environment.get(variable);
  if (text !== undefined) return { value: ofText(text), source: { kind: 'environment', pid, value: text } };
  if (file === undefined) return { value: fallback, source: { kind: 'default' } };
  const value = ofFile(file.config);
  if (file.isNewer) return { value: value ?? fallback, source: { kind: 'changed-file', file: file.name } };
  if (value === undefined) return { value: fallback, source: { kind: 'default', file: file.name } };
  return { value, source: { kind: 'file', file: file.name } };
}

/** The last file that says something counts: nobody knows in which order the server would read them. */
function settingUnseen<Value>(
  { environment, files }: Extract<Seen, { kind: 'unseen' }>,
  { variable, fallback, ofText, ofFile }: Setting<Value>,
): { value: Value; source: SettingSource } {
  const text = environment[variable];
  if (text !== undefined) return { value: ofText(text), source: { kind: 'service', value: text } };
  for (const { name, config } of files.toReversed()) {
    const value = ofFile(config);
    if (value !== undefined) return { value, source: { kind: 'file', file: name } };
  }
  return { value: fallback, source: { kind: 'unseen' } };
}

/** What the server read is unknown where its file was changed since: then it may compact. */
function compactionOf({ value, source }: { value: boolean; source: SettingSource }): Compaction {
  if (source.kind !== 'changed-file') return { isOn: value, source };
  return { isOn: true, source: { ...source, saysOn: value } };
}

/** Nothing where the file can't be read or says nothing of it; the server doesn't start on one that is no YAML. */
async function configIn(path: string): Promise<ServerConfigFile> {
  try {
    return serverConfigSchema.parse(parse(await readFile(path, 'utf8'), { customTags: POLICY_TAGS }));
  } catch {
    return {};
  }
}

const POLICY_TAGS = ['every_n', 'every_ms'].map((name) => ({ tag: `!${name}`, resolve: (text: string) => ({ [name]: Number(text) }) }));

/** A server in a container has a root of its own, and a relative path begins where it was started. */
function asSeenBy({ pid }: ProcessIdentity, file: string): string {
  return isAbsolute(file) ? join(`/proc/${pid}/root`, file) : join(`/proc/${pid}/cwd`, file);
}

async function isNewerThan(path: string, server: ProcessIdentity): Promise<boolean> {
  const changedAtMs = (await unlessGone(stat(path)))?.mtimeMs;
  const startedAtMs = await processStartedAtMs(server);
  return changedAtMs !== undefined && startedAtMs !== undefined && changedAtMs > startedAtMs + CLOCK_DOUBT_MS;
}
