import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { EventFact } from '../../../../src/activities/activity-deps.ts';
import { followLog } from '../../../../src/activities/archive/follow-log.ts';
import { createLogFollower } from '../../../../src/activities/archive/log-follower.ts';
import { makeSegmentId, segmentFileName, type SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { openDatabase } from '../../../../src/database/database.ts';
import { archivePinFolder } from '../../../../src/io/data-directory/pins.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { createBandwidth } from '../../../../src/store/bandwidth.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { newRun } from '../../../support/direct-backup.ts';
import { makeIdleAgent } from '../../../support/idle-agent.ts';
import { waitUntil } from '../../../support/wait-until.ts';
import { DATABASE, keysOf, replaceObject } from '../scene.ts';

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

it('says of a damaged object that it stands still, and not that it has lost something for good', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-stalled-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const repository = createMemoryRepository();
  const { deps, walDir } = await makeIdleAgent(folder, repository);
  const facts: EventFact[] = [];
  const followed = {
    deps: { ...deps, events: { record: (fact: EventFact) => void facts.push(fact) } },
    database: openDatabase(deps, DATABASE),
    store: await deps.openStore(DATABASE),
    timeline: '0001',
    first: 0 as SegmentId,
    bandwidth: createBandwidth(undefined),
    run: newRun(),
  };
  const [first, second] = [makeSegmentId(1)!, makeSegmentId(2)!];
  await writeFile(join(walDir, segmentFileName(second)), goldenSegment());
  const follower = await createLogFollower(followed);
  expect(await follower.look()).toBe(true);
  // As compaction does, before the archive has put it into wal/ of the repository.
  await rm(join(walDir, segmentFileName(first)));
  await rm(join(archivePinFolder(followed.database.dataDir, followed.timeline), segmentFileName(first)));
  const streamed = (await keysOf(repository)).filter((key) => key.includes('/stream/'));
  for (const key of streamed) await replaceObject(repository, key, Buffer.from('rotten'));
  await follower.tidy(followed.run.signal);
  expect(facts).toMatchObject([{ kind: 'archive-stalled', database: DATABASE, code: 'damaged-object' }]);
});
