import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { EventFact } from '../../../../src/activities/activity-deps.ts';
import { followLog } from '../../../../src/activities/archive/follow-log.ts';
import { makeSegmentId, segmentFileName } from '../../../../src/core/wal/wal-offset.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { newRun } from '../../../support/direct-backup.ts';
import { makeIdleAgent } from '../../../support/idle-agent.ts';
import { waitUntil } from '../../../support/wait-until.ts';
import { DATABASE } from '../scene.ts';

const LOOK_MS = 50;
const HALF_HOUR_MS = 1_800_000;

it('says of no look that all was stored while it stands still at damage, and each half hour that it does', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-stalled-'));
  const { deps, walDir } = await makeIdleAgent(folder, createMemoryRepository(), { intervalMs: LOOK_MS });
  const facts: EventFact[] = [];
  const count = (kind: EventFact['kind']): number => facts.filter((fact) => fact.kind === kind).length;
  const ending = new AbortController();
  const events = { record: (fact: EventFact) => void facts.push(fact) };
  const following = followLog({ ...deps, events })({ database: DATABASE }, { ...newRun(), signal: ending.signal }).catch(() => undefined);
  onTestFinished(async () => {
    ending.abort();
    await following;
    await rm(folder, { recursive: true });
  });
  await waitUntil('all is stored', () => count('archive-looked') > 1);
  await appendFile(join(walDir, segmentFileName(makeSegmentId(1)!)), Buffer.alloc(100, 7));
  await waitUntil('it stands still', () => count('archive-stalled') === 1);
  const before = count('archive-looked');
  await sleep(10 * LOOK_MS);
  expect(count('archive-looked')).toBe(before);
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + HALF_HOUR_MS);
  onTestFinished(() => void vi.restoreAllMocks());
  await waitUntil('it says so again', () => count('archive-stalled') === 2);
});
