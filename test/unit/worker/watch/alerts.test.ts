import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import type { ActivityDeps, EventFact } from '../../../../src/activities/activity-deps.ts';
import { alertsSection } from '../../../../src/config/alerts.ts';
import type { Notice } from '../../../../src/core/alerts/notice.ts';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';
import { makeSegmentId, segmentFileName } from '../../../../src/core/wal/wal-offset.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { type StartedAlerts, startAlerts } from '../../../../src/worker/watch/alerts.ts';
import { type Sink, webSink } from '../../../support/alert-sinks.ts';
import { countedRepository } from '../../../support/counted-repository.ts';
import { makeIdleAgent } from '../../../support/idle-agent.ts';
import { waitUntil } from '../../../support/wait-until.ts';
import { claimOf } from '../../activities/several-repositories.ts';
import { DATABASE } from '../../activities/scene.ts';

const LOOK_MS = 100;

async function watched(
  repository: Repository,
  prepare: (deps: ActivityDeps) => Promise<unknown> = async () => Promise.resolve(),
  surveyMs = 0,
): Promise<{ sink: Sink; alerts: StartedAlerts; facts: EventFact[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-alerts-'));
  const sink = await webSink();
  const { deps } = await makeIdleAgent(folder, repository);
  await prepare(deps);
  const targets = { chat: { kind: 'webhook', url: `http://127.0.0.1:${sink.port}/` } };
  const settings = { ...alertsSection.parse({ lookMs: LOOK_MS, targets }), surveyMs };
  const ending = new AbortController();
  const logger = pino({ level: 'silent' });
  const facts: EventFact[] = [];
  const events = {
    record: (fact: EventFact): void => {
      facts.push(fact);
      alerts.heard(fact);
    },
  };
  const alerts = startAlerts({ host: { ...deps, events }, settings, runs: () => undefined, logger, signal: ending.signal });
  onTestFinished(async () => {
    ending.abort();
    await alerts.ended;
    await sink.close();
    await rm(folder, { recursive: true });
  });
  return { sink, alerts, facts };
}

test('tells people what is wrong though it can’t write down that it has told them, as on a full disk', async () => {
  // No file can take the place of a folder.
  const { sink } = await watched(createMemoryRepository(), ({ config }) =>
    mkdir(join(config.agent.stateDir, DATABASE, 'alerts.json'), { recursive: true }),
  );
  await waitUntil('people are told', () => sink.got.length > 0);
  const { changes } = JSON.parse(sink.got[0] ?? '') as Notice;
  expect(changes.map(({ code }) => code)).toContain('backup-not-found');
});

test('reads a bucket again at once when a backup was copied to it, and not at each look', async () => {
  const { repository, calls } = countedRepository();
  const { alerts } = await watched(repository);
  const reads = (): number => calls.paid.filter((call) => call.includes('/holds/')).length;
  await waitUntil('it was read', () => reads() > 0);
  await sleep(5 * LOOK_MS);
  const before = reads();
  await sleep(5 * LOOK_MS);
  expect(reads()).toBe(before);
  alerts.heard({ kind: 'backup-copied', database: DATABASE, repository: 'local', sentence: 'local has what it lacked' });
  await waitUntil('it was read again', () => reads() > before);
});

test('tells each thing that has happened, also two of one kind', async () => {
  const { sink, alerts } = await watched(createMemoryRepository());
  const holes = ['the archive lacks segment 2', 'the archive lacks segment 5'];
  for (const sentence of holes) alerts.heard({ kind: 'archive-hole', database: DATABASE, sentence });
  await waitUntil('people are told', () => holes.every((hole) => sink.got.some((body) => body.includes(hole))));
});

test('tells that what a restart would lose could not be counted three times in a row', async () => {
  // No scratch folder can be made in it.
  const noScratch = async ({ config: { agent } }: ActivityDeps): Promise<void> => {
    await mkdir(agent.stateDir, { recursive: true });
    await writeFile(join(agent.stateDir, 'scratch'), '');
  };
  const { sink } = await watched(createMemoryRepository(), noScratch, LOOK_MS);
  const told = (): Notice['changes'] => sink.got.flatMap((notice) => (JSON.parse(notice) as Notice).changes);
  await waitUntil('people are told', () => told().some(({ code }) => code === 'restart-uncounted'));
  expect(told().find(({ code }) => code === 'restart-uncounted')).toMatchObject({ severity: 'warning' });
});

test('tells of a server that is down, and not also that what a restart would lose can’t be counted', async () => {
  const damage = async ({ config: { databases } }: ActivityDeps): Promise<void> =>
    appendFile(join(databases[DATABASE]!.dataDir, 'wal', segmentFileName(makeSegmentId(1)!)), Buffer.alloc(100, 7));
  const { sink, facts } = await watched(createMemoryRepository(), damage, LOOK_MS);
  const surveys = (): number => facts.filter(({ kind }) => kind === 'restart-unsafe').length;
  await waitUntil('it was counted again and again', () => surveys() > 4);
  await waitUntil('people are told', () => sink.got.some((body) => body.includes('server-unreachable')));
  expect(facts.map(({ kind }) => kind)).not.toContain('restart-uncounted');
});

test.each(['answers', 'is away'])(
  'tells of another agent’s database only that this host’s server answers; the repository %s',
  async (state) => {
    const memory = createMemoryRepository();
    const read: { keys: Repository['keys'] } = { keys: memory.keys.bind(memory) };
    const repository: Repository = { ...memory, keys: (...of) => read.keys(...of) };
    const { sink, alerts } = await watched(repository, async ({ catalogueOf }) => {
      await catalogueOf(DATABASE).owner.claim(claimOf('two', 2));
      if (state === 'answers') return;
      read.keys = () => {
        throw new RstowError('repository-unavailable', 'it is away');
      };
    });
    await sleep(5 * LOOK_MS);
    alerts.heard({ kind: 'repositories-apart', database: DATABASE, repository: 'local', sentence: 'the repository holds another history' });
    alerts.heard({ kind: 'server-stale', database: DATABASE, sentence: 'its server still answers' });
    await waitUntil('people are told', () => sink.got.length > 0);
    const { changes } = JSON.parse(sink.got[0] ?? '') as Notice;
    expect(changes).toMatchObject([{ kind: 'new', code: 'server-stale', severity: 'critical', sentence: 'its server still answers' }]);
    expect(sink.got).toHaveLength(1);
  },
);
