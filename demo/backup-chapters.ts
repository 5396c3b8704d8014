import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HotBackupResult } from '../src/contract/hot-backup.ts';
import { countedText, countText, durationText, sizeText } from '../src/core/text/figures.ts';
import { demoRun } from './run.ts';
import { DEMO_DATABASE, type DemoScene } from './scene.ts';
import { type DemoWriters, startDemoWriters, type WrittenSoFar } from './writers.ts';
import type { Story } from './story.ts';

const LOAD_MS = 3_000;
const MORE_LOAD_MS = 1_500;

/** What the later chapters damage, lose and restore. */
export type Stored = {
  first: HotBackupResult;
  second: HotBackupResult;
  /** Files that only the second backup added to the repository, in the order of the log: the last one is needed, whatever was merged. */
  piecesOfSecond: string[];
  written: WrittenSoFar;
};

/** One backup under load, and one of what came later. The writers stop in between, so that the second holds all that was acknowledged. */
export async function backUp(scene: DemoScene, story: Story): Promise<Stored> {
  story.chapter('Eight writers fill the database. A backup does not stop them');
  const writers = await startDemoWriters(scene.database.address);
  await sleep(LOAD_MS);
  const first = await backUpUnderLoad(scene, { story, writers });
  const before = await piecesIn(scene);
  await sleep(MORE_LOAD_MS);
  const written = await writers.stop();
  story.chapter('The writers stop. The next backup stores only what is new');
  story.fact(`${countText(written.acknowledged)} writes were acknowledged, ${countedText(written.instances, 'order')} among them`);
  const second = await backUpAndReport(scene, story);
  const piecesOfSecond = (await piecesIn(scene)).filter((piece) => !before.includes(piece));
  return { first, second, piecesOfSecond, written };
}

async function backUpUnderLoad(scene: DemoScene, { story, writers }: { story: Story; writers: DemoWriters }): Promise<HotBackupResult> {
  const before = writers.written.acknowledged;
  const backup = await backUpAndReport(scene, story);
  story.fact(`${countText(writers.written.acknowledged - before)} more writes were acknowledged meanwhile`);
  return backup;
}

async function backUpAndReport(scene: DemoScene, story: Story): Promise<HotBackupResult> {
  story.command(`rstow backup ${DEMO_DATABASE}`);
  const backup = await demoRun<HotBackupResult>(scene, 'hotBackup');
  const { label = '', instances = 0, bytesStored = 0, bytesPlain = 0, durationMs = 0, stateDigest = '' } = backup;
  story.fact(`${label} holds ${countedText(instances, 'order')}`);
  story.fact(`${sizeText(bytesPlain)} of log were new, stored as ${sizeText(bytesStored)} in ${durationText(durationMs)}`);
  story.fact(`state digest ${stateDigest}`);
  return backup;
}

async function piecesIn({ folder }: DemoScene): Promise<string[]> {
  const root = join(folder, 'repository/databases', DEMO_DATABASE, 'wal');
  const names = await readdir(root, { recursive: true });
  return names
    .filter((name) => name.endsWith('.wal.zst'))
    .sort()
    .map((name) => join(root, name));
}
