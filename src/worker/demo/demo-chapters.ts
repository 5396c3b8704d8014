import { setTimeout as sleep } from 'node:timers/promises';
import { databaseSettings } from '../../activities/database-settings.ts';
import { type LiveDigest, liveDigest } from '../../activities/state/live-digest.ts';
import type { HotBackupResult } from '../../contract/hot-backup.ts';
import type { RestoreResult } from '../../contract/restore.ts';
import type { VerifyBackupResult } from '../../contract/verify-backup.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { demoRun } from './demo-run.ts';
import { DEMO_DATABASE, type DemoScene } from './demo-scene.ts';
import { type DemoWriters, startDemoWriters, type WrittenSoFar } from './demo-writers.ts';
import { count, megabytes, seconds, type Story } from './story.ts';

const LOAD_MS = 4_000;
const MORE_LOAD_MS = 2_000;

/** Writers at full speed, and after a while a backup that doesn't stop them. */
export async function backUpUnderLoad(scene: DemoScene, story: Story): Promise<DemoWriters> {
  story.step('Eight writers fill the database, as fast as it answers');
  const writers = await startDemoWriters(scene.database.address);
  await sleep(LOAD_MS);
  story.fact(`${count(writers.written.acknowledged)} writes acknowledged in ${seconds(LOAD_MS)}`);
  story.step('hotBackup, while they go on writing');
  const before = writers.written.acknowledged;
  const backup = await demoRun<HotBackupResult>(scene, 'hotBackup', { reason: 'demo, under load' });
  story.fact(`${count(writers.written.acknowledged - before)} more writes were acknowledged meanwhile`);
  tellBackup(story, backup);
  return writers;
}

/** The writers stop before it, so that it must hold everything that was ever acknowledged. */
export async function backUpTheRest(
  scene: DemoScene,
  story: Story,
  writers: DemoWriters,
): Promise<{ backup: HotBackupResult; written: WrittenSoFar }> {
  await sleep(MORE_LOAD_MS);
  const written = await writers.stop();
  story.step('The writers stop; a second hotBackup stores only what is new');
  story.fact(`${count(written.acknowledged)} writes acknowledged, ${count(written.instances)} orders created`);
  const backup = await demoRun<HotBackupResult>(scene, 'hotBackup', { reason: 'demo, the rest' });
  tellBackup(story, backup);
  return { backup, written };
}

export async function verify(scene: DemoScene, story: Story): Promise<void> {
  story.step('verifyBackup reads it back, checks every byte and record, and replays it');
  const verified = await demoRun<VerifyBackupResult>(scene, 'verifyBackup', { backup: 'latest' });
  story.fact(
    `${count(verified.pieces)} pieces, ${megabytes(verified.bytesPlain)} of log, ${count(verified.records)} records in ${seconds(verified.durationMs)}`,
  );
  story.fact(`state digest ${verified.stateDigest ?? 'missing'}: the manifest's`);
}

export async function loseEverything(scene: DemoScene, story: Story): Promise<void> {
  story.step('Disaster: the server is killed, its data directory emptied');
  await scene.database.destroy();
  story.fact(`nothing is left in ${scene.database.service.dataDir}`);
}

/** Fails: digest-different, where the live server does not hold what the backup held. */
export async function restoreAndCompare(
  scene: DemoScene,
  story: Story,
  last: { backup: HotBackupResult; written: WrittenSoFar },
): Promise<void> {
  story.step('restore: fetched, checked, rehearsed on a real server, swapped in, started');
  const restored = await demoRun<RestoreResult>(scene, 'restore', { backup: 'latest', reason: 'demo, the data are lost' });
  story.fact(`${restored.label ?? ''} up to offset ${restored.extents?.end ?? ''}, rehearsal ${restored.rehearsal ?? 'off'}`);
  story.fact(`timeline ${restored.fromTimeline ?? ''} → ${restored.timeline ?? ''}, in ${seconds(restored.durationMs ?? 0)}`);
  story.step('The live server is compared with the backup');
  const live = await liveDigest(databaseSettings(scene.config, DEMO_DATABASE), scene.config.timing, AbortSignal.timeout(60_000));
  story.fact(`backup: ${last.backup.stateDigest ?? ''}`);
  story.fact(`live:   ${live.stateDigest}`);
  requireEqual(live, last.backup);
  story.fact(`equal: ${count(live.machines)} machine and ${count(live.instances)} of ${count(last.written.instances)} acknowledged orders`);
  if (live.instances < last.written.instances) {
    throw new RstowError('digest-different', `${last.written.instances} orders were acknowledged, and ${live.instances} are there`);
  }
}

function requireEqual(live: LiveDigest, backup: HotBackupResult): void {
  if (live.stateDigest === backup.stateDigest) return;
  throw new RstowError(
    'digest-different',
    `the live server shows the state ${live.stateDigest}, the backup holds ${backup.stateDigest ?? 'none'}`,
  );
}

function tellBackup(story: Story, backup: HotBackupResult): void {
  const { label, extents, records, instances, bytesStored, bytesPlain, durationMs } = backup;
  story.fact(`${label ?? ''}: ${count(records ?? 0)} records, ${count(instances ?? 0)} instances, up to offset ${extents?.end ?? ''}`);
  story.fact(
    `${megabytes(bytesPlain ?? 0)} of ${megabytes(extents?.sizeBytes ?? 0)} of log were new, stored as ${megabytes(bytesStored ?? 0)}, in ${seconds(durationMs ?? 0)}`,
  );
  story.fact(`state digest ${backup.stateDigest ?? ''}`);
}
