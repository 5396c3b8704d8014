import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { snapshotLog } from '../../../src/database/log-source.ts';
import { runPinFolder } from '../../../src/io/data-directory/pins.ts';

const RUN = { timeline: '0001', runId: 'run' };
const FIRST = '0000000000000001.wal';
const SECOND = '0000000000000002.wal';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rstow-snapshot-log-'));
  await mkdir(join(dataDir, 'wal'));
  await mkdir(runPinFolder({ dataDir, ...RUN }), { recursive: true });
});
afterEach(() => rm(dataDir, { recursive: true }));

test('has what compaction took between the pins and the snapshot, and what was begun between them', async () => {
  const pinned = join(runPinFolder({ dataDir, ...RUN }), FIRST);
  const begun = join(dataDir, 'wal', SECOND);
  await writeFile(pinned, 'one');
  await writeFile(begun, 'four');
  const log = snapshotLog({ dataDir, ...RUN });
  const segments = (await log.fence()) ?? [];
  expect(segments.map(({ path, sizeBytes }) => [path, sizeBytes])).toEqual([
    [pinned, 3],
    [begun, 4],
  ]);
  expect(segments.map(({ segment }) => log.pathOf(segment))).toEqual([pinned, begun]);
});

test('refuses a segment that is a link to another file system: it would be read as it is now', async () => {
  const elsewhere = await mkdtemp('/dev/shm/rstow-snapshot-log-');
  try {
    await writeFile(join(elsewhere, FIRST), 'live');
    await symlink(join(elsewhere, FIRST), join(dataDir, 'wal', FIRST));
    await expect(snapshotLog({ dataDir, ...RUN }).fence()).rejects.toMatchObject({ code: 'snapshot-unsupported' });
  } finally {
    await rm(elsewhere, { recursive: true });
  }
});
