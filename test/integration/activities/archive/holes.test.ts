import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { EventFact } from '../../../../src/activities/activity-deps.ts';
import type { Piece } from '../../../../src/core/repository/piece.ts';
import type { StreamPiece } from '../../../../src/core/repository/stream-piece.ts';
import { makeSegmentId, segmentFileName, type SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { compact } from '../../../../src/io/rstmdb/server.ts';
import { readArchivedLog } from '../../../../src/activities/archive/archived-log.ts';
import { DATABASE, type DatabaseStack } from '../../../support/database-stack.ts';
import { archivedBytes, type DirectArchive, startArchive } from '../../../support/direct-archive.ts';
import { backUp, directDeps, extentsOf, restoreElsewhere } from '../../../support/direct-backup.ts';
import { expectSound, oddSource, scratchFolder, withClient, writeLarge, writeOrders } from '../../../support/odd-source.ts';
import { waitUntil } from '../../../support/wait-until.ts';

const FIRST = makeSegmentId(1)!;
const QUICK = { intervalMs: 50, tidyMs: 200, keptMs: 0 };

async function following(stack: DatabaseStack, facts: EventFact[]): Promise<DirectArchive> {
  const archive = await startArchive(stack, {
    ...directDeps(stack),
    events: { record: (fact) => fact.kind !== 'archive-looked' && facts.push(fact) },
  });
  onTestFinished(() => archive.stop());
  return archive;
}

async function segmentsIn(stack: DatabaseStack): Promise<SegmentId[]> {
  const names = (await readdir(stack.walDir)).filter((name) => name.endsWith('.wal'));
  return names.map((name) => makeSegmentId(Number.parseInt(name, 16))!).sort((one, other) => one - other);
}

const compacted = async (stack: DatabaseStack): Promise<number> =>
  (await withClient(stack.address, (client) => compact(client, { forceSnapshot: true, timeoutMs: 60_000 }))).segmentsDeleted;

it('says once what nobody has any more, and stores what comes behind it', async () => {
  const stack = await oddSource({ segmentSizeMb: 1, database: { archive: { ...QUICK, keptMs: 3_600_000 } } });
  const facts: EventFact[] = [];
  const archive = await following(stack, facts);
  // The machine alone.
  await writeOrders(stack.address, 0);
  await archive.looked();
  await withClient(stack.address, writeLarge);
  await archive.looked();
  const store = await archive.deps.openStore(DATABASE);
  const stored = async (): Promise<readonly StreamPiece[]> => (await readArchivedLog(store, '0001')).streamOf(FIRST);
  const pins = join(stack.dataDir, '.rstow/pins/0001/archive');
  await waitUntil('the first segment is stored whole', async () => !(await readdir(pins)).includes(segmentFileName(FIRST)));
  expect(await compacted(stack)).toBeGreaterThan(0);
  await archive.looked();
  await archive.stop();
  const lostBytes = (await stored()).find(({ startBytes }) => startBytes === 0)!.endBytes;
  const losses = [
    { isLost: ({ startBytes }: Piece) => startBytes === 0, sentence: `bytes 0 to ${lostBytes} of ${segmentFileName(FIRST)}` },
    { isLost: () => true, sentence: 'lacks segment 1, and no file has that' },
  ];
  for (const [index, { isLost, sentence }] of losses.entries()) {
    const log = await readArchivedLog(store, '0001');
    for (const { key } of log.piecesOf(FIRST).filter(isLost)) await rm(join(stack.repositoryDir, key));
    for (const prefix of ['behind', 'later']) {
      const again = await following(stack, facts);
      await writeOrders(stack.address, 5, `${prefix}-${index}`);
      await again.looked();
      const last = (await segmentsIn(stack)).at(-1)!;
      expect((await archivedBytes(again.deps, last)).equals(await readFile(join(stack.walDir, segmentFileName(last))))).toBe(true);
      await waitUntil('the hole is said', () => facts.length > index);
      await again.looked();
      await again.stop();
    }
    expect(facts).toHaveLength(index + 1);
    expect(facts[index]).toMatchObject({ kind: 'archive-hole', code: 'wal-gap' });
    expect(facts[index]!.sentence).toContain(sentence);
  }
});

it('counts a segment without a record as there, once compaction has deleted it', async () => {
  // One record a segment, behind an empty first one.
  const stack = await oddSource({ segmentSizeMb: 0, database: { archive: QUICK } });
  const archive = await following(stack, []);
  await writeOrders(stack.address, 4);
  await archive.looked();
  const store = await archive.deps.openStore(DATABASE);
  expect((await readFile(join(stack.walDir, segmentFileName(FIRST)))).length).toBe(0);
  await waitUntil('the empty segment is noted', async () => (await readArchivedLog(store, '0001')).segments().includes(FIRST));
  expect(await compacted(stack)).toBeGreaterThan(0);
  expect(await segmentsIn(stack)).not.toContain(FIRST);
  await archive.looked();
  const manifest = await backUp(stack);
  expect(manifest.restorable).toBe('from-log');
  expect(extentsOf(manifest)[segmentFileName(FIRST)]).toBe(0);
  const dataDir = join(await scratchFolder(), 'restored');
  await restoreElsewhere(stack, manifest.label, dataDir);
  await expectSound(stack, dataDir);
});
