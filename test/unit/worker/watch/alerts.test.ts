import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { alertsSection } from '../../../../src/config/alerts.ts';
import type { Notice } from '../../../../src/core/alerts/notice.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { startAlerts } from '../../../../src/worker/watch/alerts.ts';
import { webSink } from '../../../support/alert-sinks.ts';
import { makeIdleAgent } from '../../../support/idle-agent.ts';
import { waitUntil } from '../../../support/wait-until.ts';
import { DATABASE } from '../../activities/scene.ts';

test('tells people what is wrong though it can’t write down that it has told them, as on a full disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-alerts-'));
  const sink = await webSink();
  const ending = new AbortController();
  onTestFinished(async () => {
    ending.abort();
    await sink.close();
    await rm(folder, { recursive: true });
  });
  const { deps } = await makeIdleAgent(folder, createMemoryRepository());
  // No file can take the place of a folder.
  await mkdir(join(deps.config.agent.stateDir, DATABASE, 'alerts.json'), { recursive: true });
  const settings = alertsSection.parse({
    lookMs: 100,
    targets: { chat: { kind: 'webhook', url: `http://127.0.0.1:${sink.port}/` } },
  });
  const logger = pino({ level: 'silent' });
  const alerts = startAlerts({ host: deps, settings, runs: () => undefined, logger, signal: ending.signal });
  await waitUntil('people are told', () => sink.got.length > 0);
  ending.abort();
  await alerts.ended;
  const { changes } = JSON.parse(sink.got[0] ?? '') as Notice;
  expect(changes.map(({ code }) => code)).toContain('backup-not-found');
});
