import { appendFile, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { makeSegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { endServer } from '../support/end-server.ts';
import { type AcknowledgedWrite, startLoadWriters } from '../support/load-writers.ts';
import { failureOfRun } from '../support/run-failure.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { makeStandbyHost } from '../support/standby-host.ts';

let scene: Scene;
let stack: DatabaseStack;

beforeEach(async () => {
  scene = await openScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
  ({ stack } = scene);
});
afterEach(() => scene.close());

const backUp = (): Promise<HotBackupResult> => scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
const recover = (input: Record<string, unknown> = {}): Promise<DisasterRecoveryResult> =>
  scene.temporal.execute<DisasterRecoveryResult>('disasterRecovery', { database: DATABASE, ...input });

async function write(prefix: string, count: number): Promise<AcknowledgedWrite[]> {
  const load = await startLoadWriters({ address: stack.address, writers: 4, prefix });
  await load.acknowledgedAtLeast(count);
  return (await load.stop()).acknowledged;
}

const instancesOf = (writes: readonly AcknowledgedWrite[]): number => new Set(writes.map(({ instanceId }) => instanceId)).size;

async function liveInstances(of: DatabaseStack = stack): Promise<number> {
  return (await liveDigest(of.settings, of.config.timing, new AbortController().signal)).instances;
}

const segmentPath = (): string => join(stack.walDir, segmentFileName(makeSegmentId(1)!));

it('brings back every write that was acknowledged after the last backup, where only the server was killed', async () => {
  const saved = await write('saved', 200);
  const { label } = await backUp();
  const unsaved = await write('unsaved', 750);
  await endServer(stack, 'SIGKILL');
  const result = await recover();
  expect(result).toMatchObject({ outcome: 'restarted', agent: 'db1', dataDir: stack.dataDir, timeline: '0001', warnings: [] });
  // The load's machine is put once more: the server takes that for known, and writes nothing.
  expect(result.found).toMatchObject({ agent: 'db1', data: { backup: label, unsavedRecords: unsaved.length } });
  expect(result.found!.data.instances).toBe(instancesOf([...saved, ...unsaved]));
  expect(result.found!.data.lastWriteAtMs).toBeGreaterThanOrEqual(Math.floor(unsaved.at(-1)!.acknowledgedAtMs) - 1000);
  expect(await liveInstances()).toBe(instancesOf([...saved, ...unsaved]));
  expect(result).not.toHaveProperty('lost');
  // They are in a backup now, and nothing is left to be found.
  expect(result.firstBackup).toMatchObject({ piecesStored: 1 });
  expect(await recover()).toMatchObject({ outcome: 'not-needed' });
});

it('cuts an incomplete record that the killed server left at the end of its log, and says so', async () => {
  await write('saved', 100);
  await backUp();
  await write('unsaved', 50);
  await endServer(stack, 'SIGKILL');
  const wholeBytes = (await stat(segmentPath())).size;
  const torn = (await readFile(segmentPath())).subarray(0, 40);
  await appendFile(segmentPath(), torn);
  const result = await recover();
  expect(result).toMatchObject({ outcome: 'restarted', warnings: [{ code: 'torn-tail' }] });
  expect((await readFile(segmentPath())).subarray(wholeBytes, wholeBytes + 4)).not.toEqual(torn.subarray(0, 4));
  const later = await write('later', 20);
  await stack.service.stop();
  await stack.startServer();
  expect(later.length).toBeGreaterThanOrEqual(20);
  expect(await backUp()).toMatchObject({ outcome: 'done', timeline: '0001' });
});

it('discards newer data that no server can start on only by an explicit word, and counts them', async () => {
  await write('saved', 200);
  const { label, stateDigest } = await backUp();
  const unsaved = await write('unsaved', 60);
  await endServer(stack, 'SIGKILL');
  await flipByte(segmentPath(), 2000);
  const before = await readFile(segmentPath());
  const failure = await failureOfRun(recover());
  expect(failure).toMatchObject({ code: 'newer-data-discarded', details: { records: unsaved.length, label } });
  expect(failure.sentence).toContain(`${unsaved.length} records that no backup holds, last written `);
  expect(failure.sentence).toContain('`rstow recover orders --discard-newer`');
  expect((await readFile(segmentPath())).equals(before)).toBe(true);
  const result = await recover({ discardNewer: true });
  expect(result).toMatchObject({ outcome: 'warnings', label, stateDigest });
  expect(result.lost!.discarded).toMatchObject([{ agent: 'db1', data: { unsavedRecords: unsaved.length, backup: label } }]);
  expect(result.warnings).toMatchObject([
    { code: 'records-lost', message: expect.stringContaining(`is backup ${result.savedAs!} now`) as string },
  ]);
});

it('moves a database whose host still holds newer data to another one only by an explicit word', async () => {
  await write('saved', 200);
  const { label } = await backUp();
  const unsaved = await write('unsaved', 60);
  await endServer(stack, 'SIGKILL');
  const host = await makeStandbyHost(stack);
  try {
    await scene.startAgent(host.configFile);
    const failure = await failureOfRun(recover({ agent: 'db2' }));
    expect(failure).toMatchObject({ code: 'newer-data-discarded', details: { records: unsaved.length } });
    expect(failure.details['command']).toBe('rstow recover orders --agent db2 --discard-newer');
    const result = await recover({ agent: 'db2', discardNewer: true });
    expect(result).toMatchObject({
      label,
      agent: 'db2',
      lost: { discarded: [{ agent: 'db1', data: { unsavedRecords: unsaved.length } }] },
    });
    // One that stands by is not asked where the owner's own data are whole: here another owner's are by now.
    expect(await recover()).toMatchObject({ outcome: 'not-needed' });
  } finally {
    await host.remove();
  }
});

it('says what is lost with a disk that is gone, and that it can’t be counted', async () => {
  await write('saved', 200);
  const { label, stateDigest } = await backUp();
  await write('unsaved', 750);
  await endServer(stack, 'SIGKILL');
  await rm(stack.walDir, { recursive: true });
  const result = await recover();
  expect(result).toMatchObject({ outcome: 'done', label, stateDigest });
  expect(result.lost).toMatchObject({ knownRecords: 0, discarded: [], unseen: 'there is no log in the data directory of agent "db1"' });
});

async function flipByte(path: string, positionBytes: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, positionBytes);
    await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, positionBytes);
  } finally {
    await handle.close();
  }
}
