import { countedText, countText, sizeText } from '../text/figures.ts';
import type { Finding } from './finding.ts';
import { type GuardFacts, guardFindings } from './guard-risk.ts';

/** A setting of the server that is on or off; `source` says how that is known. */
export type Switch = { isOn: boolean; source: string };

/** As the server's variable writes it: `every_write`, `every_n:100`, `every_ms:100`, `never`. */
export type Fsync = { policy: string; source: string };

/** What a server says of its replication. */
export type Replication =
  | { role: 'standalone' }
  | { role: 'primary'; mode: string; connected: number; replicas: { id: string; lagEntries: number }[] }
  | { role: 'replica'; upstream: string; lagEntries: number };

/** What the owner's host knows, beside the data. */
export type HostFacts = {
  guard: GuardFacts;
  settings: { fsync: Fsync; metrics: Switch; flushAll: Switch };
  /** The systemd unit that the server is stopped by, and the signal that it sends; absent if that can't be seen. */
  stop?: { unit: string; signal: number } | undefined;
  /** Null if the server doesn't answer. */
  instances: number | null;
  replication: Replication | null;
  log: { sizeBytes: number; growthPerDayBytes: number };
  /** `pinnedBytes`: of log that only rstow's links still hold. */
  disk: { freeBytes: number; pinnedBytes: number };
  /** What a start needs, and what it can have once the server that runs now is gone. */
  memory: { neededBytes: number; availableBytes: number };
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * How much log is written a day, by the files' sizes and the times of their last writes (Unix ms): what the last day
 * brought. A log that is younger counts as one of an hour at least, so that a first burst is no pace.
 */
export function growthPerDay(files: readonly { sizeBytes: number; writtenAtMs: number }[], nowMs: number): number {
  const sorted = files.toSorted((one, other) => one.writtenAtMs - other.writtenAtMs);
  const first = sorted.findIndex(({ writtenAtMs }) => writtenAtMs > nowMs - DAY_MS);
  if (first < 0) return 0;
  // A file was begun when the one before it was written last; nobody knows when the very first one was.
  const sinceMs = sorted[first - 1]?.writtenAtMs ?? sorted[first]?.writtenAtMs ?? nowMs;
  const sizeBytes = sorted.slice(first).reduce((sum, file) => sum + file.sizeBytes, 0);
  return Math.round((sizeBytes / Math.max(HOUR_MS, nowMs - sinceMs)) * DAY_MS);
}

/** What may go wrong on the host, though nothing has yet. */
export function hostFindings(database: string, facts: HostFacts): Finding[] {
  const { settings, disk, log, guard } = facts;
  return [
    ...guardFindings(database, guard),
    memoryFinding(database, facts),
    spaceFinding('disk-space', 'the data directory', { freeBytes: disk.freeBytes, growthPerDayBytes: log.growthPerDayBytes }),
    ...pinFindings(disk),
    fsyncFinding(settings.fsync),
    ...flushFindings(settings.flushAll),
    ...metricsFindings(facts),
    ...stopFindings(facts),
    ...replicaFindings(facts.replication),
  ];
}

/** From here on the log's growth may take what is left before anybody has read the warning. */
const FITS_BARELY = 0.8;

function memoryFinding(database: string, { memory: { neededBytes, availableBytes } }: HostFacts): Finding {
  const figures = { startMemoryBytes: neededBytes, availableMemoryBytes: availableBytes };
  const sentence = `a start of the server needs about ${sizeText(neededBytes)} of memory for this log, and ${sizeText(availableBytes)} are there`;
  if (neededBytes <= availableBytes * FITS_BARELY) return { severity: 'ok', code: 'memory-fits', sentence, figures };
  const hint = `Give it more memory before a restart, or a shorter log: \`rstow rebase ${database}\`.`;
  return { severity: neededBytes > availableBytes ? 'critical' : 'warning', code: 'memory-short', sentence, hint, figures };
}

type Space = { freeBytes: number; growthPerDayBytes: number };

const MIB = 1024 * 1024;
/** The server makes segments of 64 MB unless it is told otherwise. */
const FREE_MIN_BYTES = 64 * MIB;
const FREE_WANTED_BYTES = 512 * MIB;
const DAYS_MIN = 1;
const DAYS_WANTED = 7;

/** Enough for a week at the log's pace is well, and too little for a day is critical. */
export function spaceFinding(code: string, where: string, { freeBytes, growthPerDayBytes }: Space): Finding {
  const figures = { [`${code === 'disk-space' ? 'disk' : 'repository'}FreeBytes`]: freeBytes, growthPerDayBytes };
  const days = growthPerDayBytes === 0 ? Number.POSITIVE_INFINITY : freeBytes / growthPerDayBytes;
  const pace = growthPerDayBytes === 0 ? '' : `; the log grows by about ${sizeText(growthPerDayBytes)} a day`;
  const sentence = `${where} has ${sizeText(freeBytes)} of free space${pace}`;
  if (freeBytes >= FREE_WANTED_BYTES && days >= DAYS_WANTED) return { severity: 'ok', code, sentence, figures };
  const severity = freeBytes < FREE_MIN_BYTES || days < DAYS_MIN ? 'critical' : 'warning';
  return { severity, code: `${code}-low`, sentence, hint: 'Free space, or give it a larger disk.', figures };
}

function pinFindings({ pinnedBytes, freeBytes }: HostFacts['disk']): Finding[] {
  if (pinnedBytes === 0) return [];
  const sentence = `rstow keeps ${sizeText(pinnedBytes)} of log on the server’s disk that is not in wal/ any more`;
  return [{ severity: pinnedBytes > freeBytes ? 'warning' : 'ok', code: 'log-pinned', sentence, figures: { pinnedBytes } }];
}

function fsyncFinding({ policy, source }: Fsync): Finding {
  const isNever = policy === 'never';
  if (!isNever && !policy.startsWith('every_ms'))
    return { severity: 'ok', code: 'fsync', sentence: `the server makes its log durable: ${policy} (${source})` };
  const why = isNever
    ? 'never makes its log durable'
    : `never makes its log durable, though it says ${policy}: rstmdb 0.3.0 has no timer for it`;
  const hint = 'Set storage.fsync_policy to every_write, or `!every_n 100`, and restart the server when it is safe.';
  return {
    severity: 'warning',
    code: 'fsync-never',
    sentence: `the server ${why} (${source}); a power failure takes what it has acknowledged`,
    hint,
  };
}

function flushFindings({ isOn, source }: Switch): Finding[] {
  if (!isOn) return [];
  const sentence = `anybody may empty the server by FLUSH_ALL, which is not in the log: the next start brings everything back (${source})`;
  return [{ severity: 'warning', code: 'flush-all-allowed', sentence, hint: 'Set storage.allow_flush_all to false.' }];
}

/** Each write walks all instances: so much of a processor for each thousand. */
const METRICS_MS_PER_1000 = 1.14;
const METRICS_INSTANCES_MAX = 2_000;

function metricsFindings({ settings: { metrics }, instances }: HostFacts): Finding[] {
  if (!metrics.isOn || instances === null || instances <= METRICS_INSTANCES_MAX) return [];
  const costMs = Math.round((instances / 1000) * METRICS_MS_PER_1000);
  const sentence = `the server’s metrics cost about ${countText(costMs)} ms of a processor for each write, with ${countedText(instances, 'instance')} (${metrics.source})`;
  return [
    { severity: 'warning', code: 'metrics-slow', sentence, hint: 'Set metrics.enabled to false.', figures: { metricsCostMs: costMs } },
  ];
}

const SIGTERM = 15;

function stopFindings({ stop }: HostFacts): Finding[] {
  if (stop?.signal !== SIGTERM) return [];
  const sentence = `${stop.unit} stops the server by SIGTERM, which it doesn’t handle: it ends without a last sync, and in a compaction leaves a file that it can’t start on`;
  return [
    {
      severity: 'warning',
      code: 'stopped-by-sigterm',
      sentence,
      hint: `Write KillSignal=SIGINT in the [Service] section of ${stop.unit}.`,
    },
  ];
}

/** So far behind a replica may be while it catches up. */
const LAG_ENTRIES_MAX = 10_000;

function replicaFindings(replication: Replication | null): Finding[] {
  if (replication === null || replication.role === 'standalone') return [];
  if (replication.role === 'replica') {
    const sentence = `the server is a replica of ${replication.upstream}, ${countText(replication.lagEntries)} entries behind`;
    const isLate = replication.lagEntries > LAG_ENTRIES_MAX;
    return [
      {
        severity: isLate ? 'warning' : 'ok',
        code: isLate ? 'replica-late' : 'replicas',
        sentence,
        figures: { lagEntries: replication.lagEntries },
      },
    ];
  }
  const { mode, connected, replicas } = replication;
  const lagEntries = Math.max(0, ...replicas.map((replica) => replica.lagEntries));
  const figures = { replicas: connected, lagEntries };
  if (connected === 0) {
    const sentence = `the server is a primary (${mode}), and no replica is connected${mode === 'sync' ? ': each write is answered with an error' : ''}`;
    return [{ severity: 'warning', code: 'replica-missing', sentence, hint: 'Start the replica, or read its log.', figures }];
  }
  const sentence = `${countedText(connected, 'replica')} connected, at most ${countText(lagEntries)} entries behind`;
  return [
    {
      severity: lagEntries > LAG_ENTRIES_MAX ? 'warning' : 'ok',
      code: lagEntries > LAG_ENTRIES_MAX ? 'replica-late' : 'replicas',
      sentence,
      figures,
    },
  ];
}
