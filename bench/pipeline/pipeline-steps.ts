import { join } from 'node:path';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import { digestState } from '../../src/activities/backup/digest-state.ts';
import { placeElsewhere } from '../../src/activities/restore/finish-restore.ts';
import { pinWal, unpinWal } from '../../src/activities/backup/pinned-segments.ts';
import { planRestore } from '../../src/activities/restore/plan-restore.ts';
import { stageWal } from '../../src/activities/restore/stage-wal.ts';
import { storeSegments } from '../../src/activities/backup/store-segments.ts';
import { verifyStoredBackup } from '../../src/activities/verify/verify-backup.ts';
import { writeManifest } from '../../src/activities/backup/write-manifest.ts';
import { benchRun, DATABASE, REPOSITORY } from './bench-agent.ts';

const COMMON = { database: DATABASE, repository: REPOSITORY };

/** The steps of hotBackup that touch the log, from the pin to the manifest. Gives the state's digest. */
export async function backUp(deps: ActivityDeps, backup: { label: string; timeline: string }): Promise<string> {
  const run = benchRun();
  const { label, timeline } = backup;
  const { fenceKey, pin } = await pinWal(deps)({ ...COMMON, timeline }, run);
  const { extentsKey, warnings } = await storeSegments(deps)({ ...COMMON, timeline, fenceKey }, run);
  const state = await digestState(deps)({ ...COMMON, fenceKey, extentsKey }, run);
  const facts = { startedAtMs: Date.now(), serverVersion: '0.3.0', extentsKey, pin, state, attachments: [], warnings };
  await writeManifest(deps)({ ...COMMON, label, timeline, ...facts }, run);
  await unpinWal(deps)({ database: DATABASE, timeline }, run);
  return state.stateDigest;
}

/** Checksums of everything stored, then every record. */
export async function verify(deps: ActivityDeps, label: string): Promise<void> {
  await verifyStoredBackup(deps)({ ...COMMON, label, level: 'records' }, benchRun());
}

/** A whole restore into another directory: fetched, every record checked, replayed, the digest compared, made durable. */
export async function restore(deps: ActivityDeps, label: string, toDataDir: string): Promise<void> {
  const run = benchRun();
  const { planKey } = await planRestore(deps)({ ...COMMON, backup: label, toDataDir }, run);
  await stageWal(deps)({ ...COMMON, planKey, startedAtMs: Date.now() }, run);
  await placeElsewhere(deps)({ repository: REPOSITORY, planKey }, run);
}

export function foldersOf(workDir: string): { dataDir: string; repositoryDir: string; stateDir: string; restoredDir: string } {
  const [dataDir, repositoryDir, stateDir, restoredDir] = ['data', 'repository', 'state', 'restored'].map((name) => join(workDir, name));
  return { dataDir, repositoryDir, stateDir, restoredDir } as ReturnType<typeof foldersOf>;
}
