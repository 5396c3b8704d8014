import { type ActivityBody, activity } from './activity.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { storeAttachments } from './attachments.ts';
import { digestState } from './digest-state.ts';
import { clearStaging, placeElsewhere } from './finish-restore.ts';
import { describeProtection, readBackups } from './list-backups.ts';
import { locate, locateAnywhere } from './locate.ts';
import { findLockHolder } from './lock-holder.ts';
import { pinWal, unpinWal } from './pinned-segments.ts';
import { planRestore } from './plan-restore.ts';
import { prepareBackup } from './prepare-backup.ts';
import { recordVerification } from './record-verification.ts';
import { rehearse } from './rehearse.ts';
import { stageWal } from './stage-wal.ts';
import { storeSegments } from './store-segments.ts';
import { nameSwap, rollBack, swapIn } from './swap-in.ts';
import { chooseBackup, verifyStoredBackup } from './verify-backup.ts';
import { verifyLive } from './verify-live.ts';
import { writeManifest } from './write-manifest.ts';

/** The verbs, by the names under which histories know them for ever. */
export type Activities = ReturnType<typeof createActivities>;

export function createActivities(deps: ActivityDeps) {
  const verb = <Input, Output>(make: (deps: ActivityDeps) => ActivityBody<Input, Output>) => activity(deps, make(deps));
  return {
    locateDatabase: verb(locate),
    locateAgent: verb(locate),
    locateAnywhere: verb(locateAnywhere),
    findLockHolder: verb(findLockHolder),

    prepareBackup: verb(prepareBackup),
    pinWal: verb(pinWal),
    storeSegments: verb(storeSegments),
    storeAttachments: verb(storeAttachments),
    digestState: verb(digestState),
    writeManifest: verb(writeManifest),
    unpinWal: verb(unpinWal),

    chooseBackup: verb(chooseBackup),
    verifyStoredBackup: verb(verifyStoredBackup),
    recordVerification: verb(recordVerification),

    planRestore: verb(planRestore),
    stageWal: verb(stageWal),
    rehearse: verb(rehearse),
    nameSwap: verb(nameSwap),
    swapIn: verb(swapIn),
    rollBack: verb(rollBack),
    verifyLive: verb(verifyLive),
    placeElsewhere: verb(placeElsewhere),
    clearStaging: verb(clearStaging),

    readBackups: verb(readBackups),
    describeProtection: verb(describeProtection),
  };
}
