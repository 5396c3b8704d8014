import type { ActivityDeps } from './activity-deps.ts';
import { activity, type ActivityBody, createAttempts } from './activity.ts';
import { checkApproval, checkStart, noteHistory } from './authority/authority.ts';
import { storeAttachments } from './backup/attachments.ts';
import { closeHealed } from './backup/healing.ts';
import { digestState } from './backup/digest-state.ts';
import { checkBackup, pinWal, prepareBackup, unpinWal } from './backup/prepare-backup.ts';
import { storeSegments } from './backup/store-segments.ts';
import { writeManifest } from './backup/write-manifest.ts';
import { describeProtection, inspectHost } from './catalogue/describe-protection.ts';
import { readBackups } from './catalogue/list-backups.ts';
import { inspectLiveDatabase, restartServer } from './recovery/restart-server.ts';
import { knowDatabase, locate, locateAgent, locateAnyAgent } from './catalogue/locate.ts';
import { endBackup, endRunOfLostOwner, findLockHolder } from './catalogue/lock-holder.ts';
import { surveyData } from './data/survey-data.ts';
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
import { findReplaced } from './restore/find-replaced.ts';
import { planRestore } from './restore/plan-restore.ts';
import { rehearse } from './restore/rehearse.ts';
import { storeReplaced } from './restore/store-replaced.ts';
import { nameSwap, rollBack, swapIn } from './restore/swap-in.ts';
import { verifyLive } from './restore/verify-live.ts';
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
  storeAttachments,
  digestState,
  writeManifest,
  closeHealed,
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
  nameSwap,
  swapIn,
  rollBack,
  verifyLive,
  placeElsewhere,
  clearStaging,

  readBackups,
  describeProtection,
  inspectHost,
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
