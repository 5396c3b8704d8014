/** Recoveries of what the continuous archive holds beyond the last backup, on a real server's log. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeProtection } from '../../../src/activities/catalogue/describe-protection.ts';
import { findPoint } from '../../../src/activities/recovery-point/find-point.ts';
import { planRestore } from '../../../src/activities/restore/plan-restore.ts';
import { stageWal } from '../../../src/activities/restore/stage-wal.ts';
import type { StreamPiece } from '../../../src/core/repository/stream-piece.ts';
import { makeWalOffset } from '../../../src/core/wal/wal-offset.ts';
import { deleteInstance } from '../../../src/io/rstmdb/instances.ts';
import { type FoundRecord, readLog } from '../../../src/local/read-history.ts';
import { archivedSource, compactedSource } from '../../support/archived-source.ts';
import { DATABASE } from '../../support/database-stack.ts';
import { backUp, bringBack, directDeps, directRun, explainPoint, restoreElsewhere, verifyByReplay } from '../../support/direct-backup.ts';
import { scratchFolder, withClient, writeOrders } from '../../support/odd-source.ts';

it('fetches from what covers it what the archive has deleted since the recovery was planned', async () => {
  const { stack, store, look } = await archivedSource();
  const parts: StreamPiece[] = [];
  for (const prefix of ['one', 'two']) {
    await writeOrders(stack.address, 2, prefix);
    parts.push(...(await look()));
  }
  const run = directRun(directDeps(stack));
  const dataDir = join(await scratchFolder(), 'staged');
  const { label: backup, repository, pointKey, records } = await run(findPoint, { database: DATABASE, target: { latest: true } });
  const { planKey } = await run(planRestore, { database: DATABASE, repository, backup, pointKey, toDataDir: dataDir });
  // A backup has stored the same bytes in the log.
  await backUp(stack);
  await store.stream.remove(parts);
  expect(await run(stageWal, { database: DATABASE, repository, planKey, startedAtMs: Date.now() })).toMatchObject({ records });
});

it('restores a backup that has lost a piece of the log which the archive still has; a check reports the loss all the same', async () => {
  const { stack, store, look } = await archivedSource();
  await writeOrders(stack.address, 2, 'more');
  const [archived] = await look();
  const manifest = await backUp(stack);
  const lost = (await store.pieces.of('0001')).find(({ startBytes }) => startBytes === archived!.startBytes)!;
  await (await stack.openRepository()).deleteMany([lost.key]);
  await restoreElsewhere(stack, manifest.label, join(await scratchFolder(), 'restored'));
  await expect(verifyByReplay(stack, manifest)).rejects.toMatchObject({ code: 'missing-object', details: { key: lost.key } });
});

it('backs up, whole, what was compacted away since the backup before', async () => {
  const { stack, before } = await compactedSource();
  expect(await backUp(stack)).toMatchObject({ restorable: 'from-log', stateDigest: before });
});

it('finds in the archive what happened since the last backup, and brings back an instance that was deleted there', async () => {
  const { stack, look } = await archivedSource();
  await writeOrders(stack.address, 2, 'later');
  await look();
  await withClient(stack.address, (client) => deleteInstance(client, 'later-1'));
  const [last] = await look();
  const { window } = await describeProtection(directDeps(stack))({ database: DATABASE });
  expect(window).toMatchObject({
    offsets: { to: String(makeWalOffset(last!.segment, last!.endBytes)) },
    times: { untilMs: last!.seenMs },
    archive: { seenMs: last!.seenMs, stepMs: last!.seenMs - last!.sinceMs },
  });
  const printed: FoundRecord[] = [];
  const print = async (records: readonly FoundRecord[]): Promise<void> => Promise.resolve(void printed.push(...records));
  await readLog({ configFile: stack.configFile, database: DATABASE, query: { type: 'delete_instance' }, print });
  expect(printed).toMatchObject([{ record: { instance: 'later-1' }, came: { sinceMs: last!.sinceMs, seenMs: last!.seenMs } }]);
  const explained = await explainPoint(stack, { target: { after: { instance: 'later-1', event: 'PAY' } } });
  expect(explained).toMatchObject({ instances: 5, explanation: { nextRecord: { type: 'delete_instance', instance: 'later-1' } } });
  const target = { before: { instance: 'later-1', record: 'delete' as const } };
  expect(await bringBack(stack, { instance: 'later-1', target })).toMatchObject({ outcome: 'done', instance: 'later-1', events: 1 });
});
