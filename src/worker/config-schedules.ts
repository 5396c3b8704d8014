import { join } from 'node:path';
import { type AgentConfig, databaseSettings } from '../config/agent-config.ts';
import { wantedSchedules } from '../config/schedules.ts';
import { DEFAULT_CONFIG_FILE } from '../contract/default-places.ts';
import { PLANNED_MS, plannedTimes, type WantedSchedule } from '../contract/schedules.ts';
import type { BackupKind } from '../core/backup/label.ts';
import { forecastBackups, type PlannedRun } from '../core/retention/forecast.ts';
import type { Span } from '../core/schedule/planned-times.ts';
import { listSegments } from '../io/data-directory/segments.ts';
import { loadConfig } from './load-config.ts';

/** What the schedules come to in the first repository within the next 30 days, if there is no backup yet. */
export type Forecast = {
  untilMs: number;
  /** How many backups are made. */
  made: number;
  /** Those of them that are still there, the newest first. */
  kept: { kind: BackupKind; atMs: number }[];
  /** Of the log now: each backup holds all of it, as it is then. Absent where this process can't see it. */
  logBytes?: number | undefined;
};

export type ConfigSchedules = { database: string; schedules: WantedSchedule[]; forecast: Forecast };

/** What a config file lists, of one database or of each, and what comes of it. Fails: invalid-config, unknown-database. */
export async function configSchedules(file = DEFAULT_CONFIG_FILE, database?: string): Promise<ConfigSchedules[]> {
  const config = await loadConfig(file);
  const names = database === undefined ? Object.keys(config.databases) : [database];
  return Promise.all(names.map((name) => schedulesOf(config, name)));
}

async function schedulesOf(config: AgentConfig, database: string): Promise<ConfigSchedules> {
  const { schedules: section, repositories, retention, dataDir } = databaseSettings(config, database);
  const schedules = wantedSchedules(section);
  const nowMs = Date.now();
  const span: Span = { afterMs: nowMs, untilMs: nowMs + PLANNED_MS };
  const runs = schedules.filter((schedule) => isOfFirst(schedule, repositories)).flatMap((schedule) => plannedOf(schedule, span));
  const kept = forecastBackups(runs, retention).map(({ kind, atMs }) => ({ kind, atMs }));
  const made = runs.filter(({ does }) => typeof does === 'object').length;
  return { database, schedules, forecast: { untilMs: span.untilMs, made, kept, logBytes: await logBytesIn(join(dataDir, 'wal')) } };
}

/** Whether it is about the first repository, which is foretold. */
function isOfFirst({ input }: WantedSchedule, [first]: readonly string[]): boolean {
  const { repository = first } = input as { repository?: string };
  return repository === first;
}

function plannedOf(schedule: WantedSchedule, span: Span): PlannedRun[] {
  const does = effectOf(schedule);
  return does === undefined ? [] : plannedTimes(schedule, span).map((atMs) => ({ atMs, does }));
}

/** Undefined if nobody can foretell it, as of a test of a backup that chance chooses, or if it changes no backup. */
function effectOf({ type, input }: WantedSchedule): PlannedRun['does'] | undefined {
  const { apply, backup = 'latest' } = input as { apply?: boolean; backup?: string };
  if (type === 'hotBackup') return { makes: 'hot' };
  if (type === 'coldBackup') return { makes: 'cold' };
  if (type === 'expireBackups') return apply === true ? 'expires' : undefined;
  if (type === 'verifyBackup' || type === 'testRecovery') return backup === 'latest' ? 'proves' : undefined;
  return undefined;
}

async function logBytesIn(walDir: string): Promise<number | undefined> {
  const segments = await listSegments(walDir).catch(() => undefined);
  return segments?.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
