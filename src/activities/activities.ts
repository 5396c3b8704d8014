import type { ActivityDeps } from './activity-deps.ts';
import { activity, type ActivityBody, createAttempts } from './activity.ts';
import { expireManifests } from './expiry/expire-manifests.ts';
import { holdBackup } from './expiry/hold-backup.ts';
import { planExpiry } from './expiry/plan-expiry.ts';
import { removeExpired } from './expiry/remove-expired.ts';
import { checkApproval, checkStart, noteHistory } from './authority/authority.ts';
import { archiveOnce, followLog } from './archive/follow-log.ts';
import { storeAttachments } from './backup/attachments.ts';
import { closeHealed } from './backup/healing.ts';
import { compactServer } from './backup/compact-server.ts';
import { digestState } from './backup/digest-state.ts';
import { backUpStopped } from './cold/back-up-stopped.ts';
import { checkColdBackup } from './cold/check-cold-backup.ts';
import { storeAhead, storeStopped } from './cold/store-stopped.ts';
import { checkBackup, pinWal, prepareBackup, unpinWal } from './backup/prepare-backup.ts';
import { rescueLog } from './backup/rescue-log.ts';
import { storeSegments } from './backup/store-segments.ts';
import { writeManifest } from './backup/write-manifest.ts';
import { chooseCopies, copyToRepository } from './copy/copy-to-repository.ts';
import { clearExport, exportArchive } from './export/export-archive.ts';
import { clearImport, readArchive } from './import/read-archive.ts';
import { storeArchive } from './import/store-archive.ts';
import { surveyArchive } from './check/survey-archive.ts';
import { surveyHost } from './check/survey-host.ts';
import { surveyRestart } from './check/survey-restart.ts';
import { describeProtection, inspectHost } from './catalogue/describe-protection.ts';
import { readBackups } from './catalogue/list-backups.ts';
import { inspectLiveDatabase, restartServer } from './recovery/restart-server.ts';
import { knowDatabase, locate, locateAgent, locateAnyAgent } from './catalogue/locate.ts';
import { endBackup, endRunOfLostOwner, findLockHolder } from './catalogue/lock-holder.ts';
import { surveyData } from './data/survey-data.ts';
import { checkSnapshot, dropSnapshot, takeSnapshot } from './snapshot/snapshot.ts';
import { planRotation } from './rotation/plan-rotation.ts';
import { removeKeySets } from './rotation/remove-key-sets.ts';
import { retireObjects, rotateObjects } from './rotation/rotate-objects.ts';
import { chooseTestPoint, recordTest, stageTest } from './recovery-test/test-steps.ts';
import { applyInstance } from './instance/apply-instance.ts';
import { planInstance } from './instance/plan-instance.ts';
import { explainPoint } from './recovery-point/explain-point.ts';
import { findPoint } from './recovery-point/find-point.ts';
import { clearTest, testServer } from './recovery-test/test-server.ts';
import { prepareHost } from './recovery/prepare-host.ts';
import { findCandidates } from './recovery/recovery-candidates.ts';
import { findStaleServer, readOwnerGeneration, takeOwnership } from './recovery/ownership.ts';
import { findAlternative } from './restore/find-alternative.ts';
import { clearStaging, placeElsewhere, stageWal } from './restore/stage-wal.ts';
import { carryOver } from './restore/carry-over.ts';
import { findReplaced } from './restore/find-replaced.ts';
import { planRestore } from './restore/plan-restore.ts';
import { rehearse } from './restore/rehearse.ts';
import { storeReplaced } from './restore/store-replaced.ts';
import { nameSwap, rollBack, swapIn } from './restore/swap-in.ts';
import { verifyLive } from './restore/verify-live.ts';
import { checkVolume, dropVolume, planVolume, receiveVolume } from './volume/restore-volume.ts';
import { storeVolume } from './volume/store-volume.ts';
import { chooseBackup, recordVerification, verifyStoredBackup } from './verify/verify-backup.ts';

/** The verbs, by the names under which histories know them for ever. */
export const verbs = {
  locateDatabase: locate,
  locateAgent,
  locateAnyAgent,
  locateStandby: locate,
  knowDatabase,
  findStaleServer,
  findLockHolder,

  checkBackup,
  prepareBackup,
  pinWal,
  storeSegments,
  rescueLog,
  storeAttachments,
  storeVolume,
  digestState,
  compactServer,
  writeManifest,
  closeHealed,
  unpinWal,

  checkSnapshot,
  takeSnapshot,
  dropSnapshot,
  checkColdBackup,
  storeAhead,
  storeStopped,
  backUpStopped,

  followLog,
  archiveOnce,

  readArchive,
  storeArchive,
  clearImport,
  chooseCopies,
  copyToRepository,
  exportArchive,
  clearExport,

  planRotation,
  rotateObjects,
  retireObjects,
  removeKeySets,

  planExpiry,
  expireManifests,
  removeExpired,
  holdBackup,

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
  surveyData,
  restartServer,
  findCandidates,
  prepareHost,
  readOwnerGeneration,
  takeOwnership,
  noteHistory,
  endRunOfLostOwner,
  endBackup,

  checkStart,
  checkApproval,

  findPoint,
  explainPoint,
  planInstance,
  applyInstance,
  findReplaced,
  planRestore,
  stageWal,
  rehearse,
  storeReplaced,
  carryOver,
  nameSwap,
  swapIn,
  rollBack,
  verifyLive,
  placeElsewhere,
  clearStaging,
  planVolume,
  receiveVolume,
  checkVolume,
  dropVolume,

  readBackups,
  describeProtection,
  inspectHost,

  surveyRestart,
  surveyHost,
  surveyArchive,
};

type Verbs = typeof verbs;
type Body<Name extends keyof Verbs> = ReturnType<Verbs[Name]>;

/** Each takes one JSON object, and answers with one. */
export type Activities = { [Name in keyof Verbs]: (input: Parameters<Body<Name>>[0]) => ReturnType<Body<Name>> };

export function createActivities(deps: ActivityDeps): Activities {
  const attempts = createAttempts();
  const made = Object.entries(verbs).map(([name, make]) => [name, activity(deps, attempts, make(deps) as ActivityBody<unknown, unknown>)]);
  return Object.fromEntries(made) as Activities;
}
