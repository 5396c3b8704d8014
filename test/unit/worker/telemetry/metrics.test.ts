import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { EventFact } from '../../../../src/activities/activity-deps.ts';
import { createMetrics, METRIC_NAMES, type Metrics } from '../../../../src/worker/telemetry/metrics.ts';

const HOUR_MS = 3_600_000;

type Scene = { metrics: Metrics; clock: { nowMs: number } };

function scene(isArchived = true): Scene {
  const clock = { nowMs: 100 * HOUR_MS };
  return { clock, metrics: createMetrics({ isArchived: () => isArchived, ageMaxMs: () => 30 * 60_000, nowMs: () => clock.nowMs }) };
}

function note({ metrics }: Scene, fact: Omit<EventFact, 'sentence'>): void {
  metrics.note({ database: 'orders', ...fact, sentence: 'told to people' } as EventFact);
}

const own = (one: Scene): void => note(one, { kind: 'ownership-changed', ownership: 'mine' });

const READ = {
  kind: 'protection-read',
  repository: 'local',
  newest: [{ backupKind: 'hot', label: 'a-hot', writtenAtMs: 99 * HOUR_MS, durationMs: 2500, sizeBytes: 4096 }],
  unverifiedSinceMs: 98 * HOUR_MS,
  tested: { atMs: 90 * HOUR_MS, rtoMs: 1500 },
  freeBytes: 7,
  windowMs: 5000,
  holes: 0,
} as const;

async function samples({ metrics }: Scene): Promise<string[]> {
  const { body } = await metrics.route.answer(new IncomingMessage(new Socket()));
  return (body as string).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

test('exports what a repository says, and ages by the clock of the scrape', async () => {
  const one = scene();
  own(one);
  note(one, READ);
  one.clock.nowMs += HOUR_MS;
  expect(await samples(one)).toEqual(
    expect.arrayContaining([
      'rstow_backup_last_success_timestamp_seconds{database="orders",kind="hot",repository="local"} 356400',
      'rstow_backup_duration_seconds{database="orders",kind="hot",repository="local"} 2.5',
      'rstow_backup_size_bytes{database="orders",kind="hot",repository="local"} 4096',
      'rstow_verify_oldest_unverified_seconds{database="orders",repository="local"} 10800',
      'rstow_test_recovery_last_success_timestamp_seconds{database="orders",repository="local"} 324000',
      'rstow_test_recovery_rto_seconds{database="orders",repository="local"} 1.5',
      'rstow_repository_free_bytes{repository="local"} 7',
      'rstow_archive_lag_seconds{database="orders"} 3600',
      'rstow_backup_age_max_seconds{database="orders"} 1800',
    ]),
  );
});

test('a repository without any backup has the time 0, so that the alert fires', async () => {
  const one = scene();
  note(one, { ...READ, newest: [], tested: null, unverifiedSinceMs: null });
  expect(await samples(one)).toEqual(
    expect.arrayContaining([
      'rstow_backup_last_success_timestamp_seconds{database="orders",kind="hot",repository="local"} 0',
      'rstow_test_recovery_last_success_timestamp_seconds{database="orders",repository="local"} 0',
      'rstow_verify_oldest_unverified_seconds{database="orders",repository="local"} 0',
    ]),
  );
});

test('a repository that is away is down, and what was read of it stays', async () => {
  const one = scene();
  note(one, READ);
  note(one, { kind: 'repository-unread', repository: 'local', code: 'repository-unavailable' });
  const found = await samples(one);
  expect(found).toContain('rstow_repository_up{database="orders",repository="local"} 0');
  expect(found).toContain('rstow_backup_size_bytes{database="orders",kind="hot",repository="local"} 4096');
});

test('the lag is the time since the last look that stored all, and grows while none does', async () => {
  const one = scene();
  own(one);
  note(one, { kind: 'archive-looked', seenAtMs: one.clock.nowMs + 1000 });
  one.clock.nowMs += 61_000;
  expect(await samples(one)).toContain('rstow_archive_lag_seconds{database="orders"} 60');
  const unarchived = scene(false);
  own(unarchived);
  expect((await samples(unarchived)).join('\n')).not.toContain('rstow_archive_lag_seconds');
});

test('counts each run that has ended since the agent began, and no earlier one', async () => {
  const one = scene();
  own(one);
  note(one, { kind: 'backup-ended', backupKind: 'hot', isDone: false, isNew: false });
  expect(await samples(one)).toContain('rstow_backup_last_status{database="orders",kind="hot"} 0');
  note(one, { kind: 'backup-ended', backupKind: 'hot', isDone: true, isNew: true });
  note(one, { kind: 'backup-ended', backupKind: 'cold', isDone: false, isNew: true });
  expect(await samples(one)).toEqual(
    expect.arrayContaining([
      'rstow_backup_total{database="orders",kind="hot",outcome="done"} 1',
      'rstow_backup_total{database="orders",kind="hot",outcome="failed"} 0',
      'rstow_backup_total{database="orders",kind="cold",outcome="failed"} 1',
      'rstow_backup_last_status{database="orders",kind="hot"} 1',
    ]),
  );
});

test('a restart is unsafe from the first fact that says so until a check finds it safe', async () => {
  const one = scene();
  own(one);
  expect((await samples(one)).join('\n')).not.toContain('rstow_restart_safe');
  for (const kind of ['restart-unsafe', 'server-compacts'] as const) {
    note(one, { kind });
    expect(await samples(one)).toContain('rstow_restart_safe{database="orders"} 0');
    note(one, { kind: 'restart-checked', isSafe: true });
    expect(await samples(one)).toContain('rstow_restart_safe{database="orders"} 1');
  }
});

test('what is heard before it is known whose the database is counts once it is this agent’s', async () => {
  const one = scene();
  note(one, { kind: 'backup-ended', backupKind: 'hot', isDone: false, isNew: false });
  expect(await samples(one)).toEqual([]);
  own(one);
  expect(await samples(one)).toContain('rstow_backup_last_status{database="orders",kind="hot"} 0');
});

test('a database that another agent owns by now has no series here', async () => {
  const one = scene();
  own(one);
  note(one, READ);
  note(one, { kind: 'ownership-changed', ownership: 'foreign' });
  note(one, { kind: 'restart-checked', isSafe: true });
  expect(await samples(one)).toEqual([]);
});

test('names what it exports as Prometheus wants it', () => {
  for (const name of METRIC_NAMES) expect(name).toMatch(/^rstow_[a-z]+(_[a-z]+)+$/);
});
