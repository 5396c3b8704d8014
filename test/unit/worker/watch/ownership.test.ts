import { expect, onTestFinished, test, vi } from 'vitest';
import { claimOwnership } from '../../../../src/store/ownership.ts';
import { createTimeline } from '../../../../src/store/timelines.ts';
import type { ActivityDeps } from '../../../../src/activities/activity-deps.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import type { Logger } from '../../../../src/worker/telemetry/agent-logger.ts';
import type { AgentWorkers } from '../../../../src/worker/agent-workers.ts';
import { startOwnershipWatch } from '../../../../src/worker/watch/ownership.ts';
import { claimOf, depsOf } from '../../activities/several-repositories.ts';
import { DATABASE, firstTimeline } from '../../activities/scene.ts';

const POLL_MS = 1_200;
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined } as unknown as Logger;

type Watched = { served: boolean[]; listings: () => number; deps: ActivityDeps; repository: Repository };

async function watchedAgent(ownerPollMs: number): Promise<Watched> {
  const repository = createMemoryRepository();
  let listings = 0;
  const counted: Repository = {
    ...repository,
    keys: (prefix, options) => {
      if (prefix.endsWith('/owner/')) listings += 1;
      return repository.keys(prefix, options);
    },
  };
  await createTimeline(repository, DATABASE, firstTimeline);
  await claimOwnership(repository, DATABASE, claimOf('another'));
  const bare = depsOf('one', { local: counted });
  const deps = { ...bare, config: { ...bare.config, timing: { ownerPollMs } } } as unknown as ActivityDeps;
  const served: boolean[] = [];
  const workers = { serveDatabase: async (_: string, isOwned: boolean) => Promise.resolve(void served.push(isOwned)) };
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  await startOwnershipWatch({ deps, workers: workers as unknown as AgentWorkers, logger: SILENT, signal: ending.signal }).firstPass;
  return { served, listings: () => listings, deps, repository };
}

test('serves a database soon after it was claimed here, though the repository is listed seldom', async () => {
  const { served, deps } = await watchedAgent(12_000);
  expect(served).toEqual([false]);
  await deps.catalogueOf(DATABASE).owner.claim(claimOf('one', 2));
  await vi.waitFor(() => expect(served.at(-1)).toBe(true), { timeout: 8_000, interval: 100 });
}, 30_000);

test('stops serving a database within the poll’s time after another installation has claimed it', async () => {
  const { served, listings, repository } = await watchedAgent(POLL_MS);
  await claimOwnership(repository, DATABASE, claimOf('one', 2));
  await vi.waitFor(() => expect(served.at(-1)).toBe(true), { timeout: 10_000 });
  const before = listings();
  await claimOwnership(repository, DATABASE, claimOf('another', 3));
  await vi.waitFor(() => expect(served.at(-1)).toBe(false), { timeout: 10_000 });
  // Ticks that find nothing new ask no repository.
  expect(listings() - before).toBeLessThanOrEqual(4);
}, 30_000);
