import { unreachable } from '../errors/rstow-error.ts';
import type { GuardState } from '../guard/guard-state.ts';

/** How a setting of the database server is known. */
export type SettingSource =
  | { kind: 'environment'; pid: number; value: string }
  | { kind: 'file'; file: string }
  /** Nothing that the running server was given says anything. `file`: its config file, if it has one. */
  | { kind: 'default'; file?: string }
  /** The file was changed after the server had started, so what the server read is unknown. */
  | { kind: 'changed-file'; file: string }
  /** The server doesn't run where it can be seen, and this is what rstow starts it with. */
  | { kind: 'service'; value: string }
  /** The server's process can't be looked at, and none of `server.configFiles` says anything. */
  | { kind: 'unseen' };

/** What the server calls a setting: the variable is read before the key of the config file. */
export type SettingNames = { variable: string; key: string };

/** Where a setting comes from, as the second half of a sentence. */
export function settingSource(source: SettingSource, { variable, key }: SettingNames): string {
  switch (source.kind) {
    case 'environment':
      return `${variable}=${source.value} in the environment of process ${source.pid}`;
    case 'service':
      return `${variable}=${source.value} in the \`service.env\` that rstow starts it with`;
    case 'file':
      return `${key} in ${source.file}`;
    case 'default':
      return source.file === undefined ? 'the server’s default' : `the server’s default, which ${source.file} leaves as it is`;
    case 'changed-file':
      return `${source.file} was changed after the server had started`;
    case 'unseen':
      return 'the server’s default: its own settings can’t be seen from here';
  }
}

/**
 * Whether the database server compacts its log by itself, and how that is known. rstmdb 0.3.0 does so unless it is
 * told otherwise, and its compaction deletes log that its own next start needs.
 */
export type Compaction = {
  isOn: boolean;
  source: Exclude<SettingSource, { kind: 'changed-file' }> | { kind: 'changed-file'; file: string; saysOn: boolean };
};

export const COMPACTION_NAMES: SettingNames = { variable: 'RSTMDB_COMPACT_ENABLED', key: 'compaction.enabled' };

/** Where the setting comes from, as the second half of a sentence. */
export function compactionSource({ source }: Compaction): string {
  return settingSource(source, COMPACTION_NAMES);
}

/** What an operator does to turn it off. */
export function compactionRemedy({ source }: Compaction): string {
  switch (source.kind) {
    case 'environment':
      return STARTED_WITHOUT;
    case 'service':
      return 'write RSTMDB_COMPACT_ENABLED: "false" in `service.env` of rstow’s config file';
    case 'file':
      return turnedOffIn(source.file);
    case 'default':
      return source.file === undefined ? STARTED_WITHOUT : turnedOffIn(source.file);
    case 'changed-file':
      return source.saysOn ? turnedOffIn(source.file) : `restart the server, so that it reads ${source.file} again`;
    case 'unseen':
      return `${STARTED_WITHOUT}, or name its config file under server.configFiles`;
  }
}

const STARTED_WITHOUT = 'start the server with RSTMDB_COMPACT_ENABLED=false';

function turnedOffIn(file: string): string {
  return `write \`compaction: {enabled: false}\` in ${file} and restart the server`;
}

/** What automatic compaction takes from the server's next start; undefined if nothing, as with a guard that works. */
export function compactionLoss(compaction: Compaction, guard: GuardState): string | undefined {
  if (!compaction.isOn || guard.kind === 'on') return undefined;
  return `automatic compaction is on and deletes log that the next start needs (${compactionSource(compaction)}), and ${guardLack(guard)}`;
}

/** Why the restart guard doesn't link back what compaction deletes. */
function guardLack(guard: Exclude<GuardState, { kind: 'on' }>): string {
  switch (guard.kind) {
    case 'off':
      return 'the restart guard is off';
    case 'unsupported':
      return `the restart guard can’t work here: ${guard.why}`;
    case 'waiting':
      return 'the restart guard has pinned nothing yet';
    case 'replaced':
      return `the restart guard does nothing: ${guard.why}`;
    default:
      return unreachable(guard);
  }
}

/** For whoever may lose log: what will happen, how it is known, and what to do. Undefined if nothing is lost. */
export function compactionSentence(database: string, compaction: Compaction, guard: GuardState): string | undefined {
  const loss = compactionLoss(compaction, guard);
  return loss === undefined ? undefined : `database "${database}": ${loss}; to turn it off, ${compactionRemedy(compaction)}`;
}
