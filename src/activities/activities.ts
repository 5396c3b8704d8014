import { type ActivityBody, activity } from './activity.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { storeAttachments } from './attachments.ts';
import { digestState } from './digest-state.ts';
import { findAlternative } from './find-alternative.ts';
import { clearStaging, placeElsewhere } from './finish-restore.ts';
import { describeProtection, readBackups } from './list-backups.ts';
import { inspectLiveDatabase } from './live-database.ts';
import { locate, locateAnywhere } from './locate.ts';
import { endRunOfLostOwner, findLockHolder } from './lock-holder.ts';
import { pinWal, unpinWal } from './pinned-segments.ts';
import { planRestore } from './plan-restore.ts';
import { prepareBackup } from './prepare-backup.ts';
import { prepareHost } from './prepare-host.ts';
import { recordVerification } from './record-verification.ts';
import { recordTest } from './record-test.ts';
import { findCandidates } from './recovery-candidates.ts';
import { rehearse } from './rehearse.ts';
import { stageTest } from './stage-test.ts';
import { stageWal } from './stage-wal.ts';
import { findStaleServer } from './stale-server.ts';
import { storeSegments } from './store-segments.ts';
import { nameSwap, rollBack, swapIn } from './swap-in.ts';
import { readOwnerGeneration, takeOwnership } from './take-ownership.ts';
import { chooseTestPoint } from './test-point.ts';
import { clearTest, testServer } from './test-server.ts';
import { chooseBackup, verifyStoredBackup } from './verify-backup.ts';
import { verifyLive } from './verify-live.ts';
import { writeManifest } from './write-manifest.ts';

/** The verbs, by the names under which histories know them for ever. */
export const verbs = {
  locateDatabase: locate,
  locateAgent: locate,
  locateAnywhere,
  locateStandby: locate,
  findStaleServer,
  findLockHolder,

  prepareBackup,
  pinWal,
  storeSegments,
  storeAttachments,
  digestState,
  writeManifest,
  unpinWal,

  chooseBackup,
  verifyStoredBackup,
  recordVerification,
  findAlternative,

  chooseTestPoint,
  stageTest,
  testServer,
  recordTest,
  clearTest,

  inspectLiveDatabase,
  findCandidates,
  prepareHost,
  readOwnerGeneration,
  takeOwnership,
  endRunOfLostOwner,

  planRestore,
  stageWal,
  rehearse,
  nameSwap,
  swapIn,
  rollBack,
  verifyLive,
  placeElsewhere,
  clearStaging,

  readBackups,
  describeProtection,
};

type Verbs = typeof verbs;
type Body<Name extends keyof Verbs> = ReturnType<Verbs[Name]>;

/** Each takes one JSON object, and answers with one. */
export type Activities = { [Name in keyof Verbs]: (input: Parameters<Body<Name>>[0]) => ReturnType<Body<Name>> };

export function createActivities(deps: ActivityDeps): Activities {
  const made = Object.entries(verbs).map(([name, make]) => [name, activity(deps, make(deps) as ActivityBody<unknown, unknown>)]);
  return Object.fromEntries(made) as Activities;
}
