import { chmod, open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { archiveHandle } from '../src/client/archive-handle.ts';
import type { HotBackupResult } from '../src/contract/hot-backup.ts';
import { RstowError } from '../src/core/errors/rstow-error.ts';
import { countedText, countText, durationText, sizeText } from '../src/core/text/figures.ts';
import { demoRun, failingDemoRun } from './run.ts';
import { DEMO_DATABASE, type DemoScene } from './scene.ts';
import { type DemoWriters, startDemoWriters } from './writers.ts';
import type { Story } from './story.ts';

const LOAD_MS = 3_000;
const MORE_LOAD_MS = 4_000;

/** One backup under load. The writers go on. */
export async function backUp(scene: DemoScene, story: Story): Promise<DemoWriters> {
  story.chapter('Eight writers fill the database. A backup does not stop them');
  const writers = await startDemoWriters(scene.database.address);
  await sleep(LOAD_MS);
  const before = writers.written.acknowledged;
  await backUpAndReport(scene, story);
  story.fact(`${countText(writers.written.acknowledged - before)} more writes were acknowledged meanwhile`);
  return writers;
}

/** Fails: `failed`, if the damage goes unnoticed, or the next backup does not mend it. */
export async function damagePiece(scene: DemoScene, story: Story): Promise<void> {
  story.chapter('The repository’s disk flips one bit. A check names the piece');
  const [piece = ''] = await piecesIn(scene);
  await flipBit(piece);
  story.command(`rstow verify ${DEMO_DATABASE}`);
  const { type, message } = await failingDemoRun(scene, 'verifyBackup', { level: 'records' });
  story.fact(`error: ${message}`);
  if (type !== 'damaged-object') throw new RstowError('failed', `the damage of ${basename(piece)} was reported as ${type}`);
  story.fact('the next backup stores it again, for the server still has those bytes:');
  const { warnings } = await backUpAndReport(scene, story);
  const mended = warnings.find(({ code }) => code === 'stored-again');
  if (mended === undefined) throw new RstowError('failed', `the damage of ${basename(piece)} was not mended`);
  story.fact(`warning: ${mended.message}`);
}

/** What comes between two backups. */
export async function followLog(scene: DemoScene, story: Story, writers: DemoWriters): Promise<void> {
  story.chapter('The writers go on. The archive follows them, a second behind');
  const before = writers.written.acknowledged;
  await sleep(MORE_LOAD_MS);
  story.fact(`${countText(writers.written.acknowledged - before)} writes were acknowledged since that backup`);
  story.command(`rstow archive ${DEMO_DATABASE}`);
  const { extents } = await archiveHandle(scene.client, DEMO_DATABASE).archiveNow();
  story.fact(`archived: ${sizeText(extents?.sizeBytes ?? 0)} of log, up to offset ${extents?.end ?? '0'}`);
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

/** In the middle of the file, which is compressed bytes. */
async function flipBit(file: string): Promise<void> {
  await chmod(file, 0o600);
  const handle = await open(file, 'r+');
  try {
    const { size } = await handle.stat();
    const place = Math.floor(size / 2);
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, place);
    byte[0] = (byte[0] ?? 0) ^ 1;
    await handle.write(byte, 0, 1, place);
  } finally {
    await handle.close();
  }
}
