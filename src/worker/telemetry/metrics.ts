import { Counter, Gauge, Registry } from 'prom-client';
import { type DatabaseState, createMetricsState, type MetricsState } from './metrics-state.ts';
import type { EventFact } from '../../activities/activity-deps.ts';
import type { ProtectionFacts } from '../../activities/catalogue/protection-facts.ts';
import type { Route } from '../http/server.ts';

/** What the agent exports, by name. Seconds, bytes, Unix seconds, or 0 and 1. */
const GAUGES = {
  rstow_backup_last_success_timestamp_seconds: {
    help: 'When the newest backup of the history in use that the repository has was written (Unix seconds); 0 for kind "hot" if it has none of any kind',
    labelNames: ['database', 'kind', 'repository'],
  },
  rstow_backup_duration_seconds: {
    help: 'How long that backup took, from its beginning to its manifest',
    labelNames: ['database', 'kind', 'repository'],
  },
  rstow_backup_size_bytes: { help: 'Bytes of log that that backup holds, plain', labelNames: ['database', 'kind', 'repository'] },
  rstow_backup_age_max_seconds: { help: 'How old the newest backup may be, as the config says', labelNames: ['database'] },
  rstow_backup_last_status: { help: 'Whether the last backup run was done (1) or failed (0)', labelNames: ['database', 'kind'] },
  rstow_archive_lag_seconds: {
    help: 'Time since the log in place was last seen to be stored as far as it went, or since the agent began',
    labelNames: ['database'],
  },
  rstow_archive_gap: { help: 'Parts of the log that are missing for good', labelNames: ['database', 'repository'] },
  rstow_recovery_window_seconds: {
    help: 'How long the time is of which any moment can be recovered',
    labelNames: ['database', 'repository'],
  },
  rstow_restart_safe: { help: 'Whether a restart of the server would lose nothing (1), as last checked', labelNames: ['database'] },
  rstow_test_recovery_last_success_timestamp_seconds: {
    help: 'When a recovery test last held (Unix seconds); 0 if none has',
    labelNames: ['database', 'repository'],
  },
  rstow_test_recovery_rto_seconds: { help: 'How long that recovery took', labelNames: ['database', 'repository'] },
  rstow_verify_oldest_unverified_seconds: {
    help: 'Age of the oldest backup that neither itself nor a later one was verified or tested; 0 if there is none',
    labelNames: ['database', 'repository'],
  },
  rstow_repository_free_bytes: { help: 'What can still be written', labelNames: ['repository'] },
  rstow_repository_up: { help: 'Whether the repository answered when it was last read', labelNames: ['database', 'repository'] },
} as const;

type GaugeName = keyof typeof GAUGES;

/** Names of all that is exported. */
export const METRIC_NAMES: readonly string[] = [...Object.keys(GAUGES), 'rstow_backup_total'];

export type Metrics = {
  /** @see Events */
  note(fact: EventFact): void;
  /** In Prometheus' text format. */
  route: Route;
};

type Options = {
  /** Whether the config wants the log of the database archived as it grows. */
  isArchived: (database: string) => boolean;
  /** How old the newest backup of the database may be. */
  ageMaxMs: (database: string, nowMs: number) => number;
  nowMs?: () => number;
};

/** Counts and remembers what events say; nothing is asked for when it is scraped. Other agents' databases have no series here. */
export function createMetrics({ isArchived, ageMaxMs, nowMs = Date.now }: Options): Metrics {
  const registry = new Registry();
  const state = createMetricsState({ isArchived, nowMs });
  const gauges = new Map<GaugeName, Gauge>();
  for (const [name, { help, labelNames }] of Object.entries(GAUGES)) {
    gauges.set(name as GaugeName, new Gauge({ name, help, labelNames, registers: [registry] }));
  }
  const total = new Counter({
    name: 'rstow_backup_total',
    help: 'Backup runs that have ended since the agent began, by outcome: done, failed',
    labelNames: ['database', 'kind', 'outcome'],
    registers: [registry],
  });
  const scrape = async (): Promise<string> => {
    for (const gauge of gauges.values()) gauge.reset();
    total.reset();
    const scrapedAtMs = nowMs();
    for (const { name, labels, value } of samplesOf(state, scrapedAtMs)) gauges.get(name)?.set(labels, value);
    for (const database of state.databases.keys()) {
      gauges.get('rstow_backup_age_max_seconds')?.set({ database }, ageMaxMs(database, scrapedAtMs) / 1000);
    }
    for (const { value, ...labels } of state.totals()) total.inc(labels, value);
    return registry.metrics();
  };
  return {
    note: (fact) => state.note(fact),
    route: {
      method: 'GET',
      answer: async () => ({ status: 200, body: await scrape(), headers: { 'content-type': registry.contentType } }),
    },
  };
}

type Sample = { name: GaugeName; labels: Record<string, string>; value: number };

function* samplesOf(state: MetricsState, nowMs: number): Generator<Sample> {
  for (const [database, known] of state.databases) {
    yield* samplesOfDatabase(database, known, nowMs);
    for (const [repository, { isUp }] of known.repositories) {
      yield { name: 'rstow_repository_up', labels: { database, repository }, value: Number(isUp) };
    }
    for (const [repository, { protection }] of known.repositories) {
      if (protection !== undefined) yield* samplesOfRepository({ database, repository }, protection, nowMs);
    }
  }
}

function* samplesOfDatabase(database: string, known: DatabaseState, nowMs: number): Generator<Sample> {
  const { archivedAtMs, isRestartSafe, lastDone } = known;
  const labels = { database };
  if (archivedAtMs !== undefined) yield { name: 'rstow_archive_lag_seconds', labels, value: Math.max(0, nowMs - archivedAtMs) / 1000 };
  if (isRestartSafe !== undefined) yield { name: 'rstow_restart_safe', labels, value: Number(isRestartSafe) };
  for (const [kind, isDone] of lastDone) yield { name: 'rstow_backup_last_status', labels: { database, kind }, value: Number(isDone) };
}

function* samplesOfRepository(labels: { database: string; repository: string }, read: ProtectionFacts, nowMs: number): Generator<Sample> {
  const { database, repository } = labels;
  const { newest, unverifiedSinceMs, tested, freeBytes, windowMs, holes } = read;
  if (newest.length === 0)
    yield { name: 'rstow_backup_last_success_timestamp_seconds', labels: { database, kind: 'hot', repository }, value: 0 };
  for (const { backupKind: kind, writtenAtMs, durationMs, sizeBytes } of newest) {
    yield { name: 'rstow_backup_last_success_timestamp_seconds', labels: { database, kind, repository }, value: writtenAtMs / 1000 };
    yield { name: 'rstow_backup_duration_seconds', labels: { database, kind, repository }, value: durationMs / 1000 };
    yield { name: 'rstow_backup_size_bytes', labels: { database, kind, repository }, value: sizeBytes };
  }
  const unverifiedMs = unverifiedSinceMs === null ? 0 : Math.max(0, nowMs - unverifiedSinceMs);
  yield { name: 'rstow_verify_oldest_unverified_seconds', labels, value: unverifiedMs / 1000 };
  yield { name: 'rstow_test_recovery_last_success_timestamp_seconds', labels, value: (tested?.atMs ?? 0) / 1000 };
  if (tested !== null) yield { name: 'rstow_test_recovery_rto_seconds', labels, value: tested.rtoMs / 1000 };
  yield { name: 'rstow_archive_gap', labels, value: holes };
  if (windowMs !== null) yield { name: 'rstow_recovery_window_seconds', labels, value: windowMs / 1000 };
  if (freeBytes !== null) yield { name: 'rstow_repository_free_bytes', labels: { repository }, value: freeBytes };
}
