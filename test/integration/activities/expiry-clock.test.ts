import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ownRun } from '../../../src/activities/run-port.ts';
import type { ExpireBackupsResult } from '../../../src/contract/expire-backups.ts';
import { localDeps } from '../../../src/local/local-deps.ts';
import { localEngine } from '../../../src/local/local-engine.ts';
import { boundActivities } from '../../../src/local/local-run.ts';
import { expireBackups } from '../../../src/workflows/expire-backups.ts';
import { DATABASE } from '../../support/database-stack.ts';
import { makeExpiryScene } from '../../support/expiry-round.ts';
import { folderHashes } from '../../support/folder-hash.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-clock-'));
});

afterEach(async () => {
  vi.useRealTimers();
  await rm(folder, { recursive: true });
});

it('lets nothing go by clocks that were all set back a day, though no backup is so young, so that what has gone lies in the trash for a true day', async () => {
  const { configFile, repositoryDir } = await makeExpiryScene(folder);
  const deps = await localDeps(configFile);
  const trueMs = Date.now() + 100 * DAY_MS;
  const expireAt = (nowMs: number): Promise<ExpireBackupsResult> => {
    vi.useFakeTimers({ toFake: ['Date'], now: nowMs });
    const runId = randomUUID();
    const verbs = boundActivities(deps, ownRun(runId));
    return expireBackups(
      { database: DATABASE, apply: true },
      localEngine({ type: 'expireBackups', database: DATABASE, runId, verbs, phase: () => undefined }),
    );
  };
  const { runs } = await deps.openStore(DATABASE);
  const run = { workflowId: 'rstow/orders/verifyBackup/1', runId: '1', type: 'verifyBackup', database: DATABASE, state: 'done' };
  await runs.record({ ...run, startedAtMs: trueMs, endedAtMs: trueMs });

  const before = await folderHashes(repositoryDir);
  const [ended, now] = [new Date(trueMs).toISOString(), new Date(trueMs - DAY_MS).toISOString()];
  const message = `nothing expires while the clocks disagree: run 1 of "orders" ended at ${ended}, and now it is ${now}`;
  await expect(expireAt(trueMs - DAY_MS)).rejects.toMatchObject({ code: 'clock-doubtful', message });
  expect(await folderHashes(repositoryDir)).toEqual(before);

  expect(await expireAt(trueMs)).toMatchObject({ expired: 22, removed: { manifests: 0 } });
  await expect(expireAt(trueMs - DAY_MS)).rejects.toMatchObject({ code: 'clock-doubtful' });
  expect(await expireAt(trueMs + 23 * HOUR_MS)).toMatchObject({ expired: 0, removed: { manifests: 0, pieces: 0 } });
  expect(await expireAt(trueMs + 25 * HOUR_MS)).toMatchObject({ expired: 0, removed: { manifests: 22 } });
});
