import type { Activities } from '../../activities/activities.ts';

/** What each step does, as an operator reads it beside the step in Temporal’s UI. */
export const STEP_SUMMARIES: Record<keyof Activities, string> = {
  locateDatabase: 'find the agent that owns the database',
  locateAgent: 'find the named agent',
  locateAnywhere: 'find an agent that reaches the repository',
  locateStandby: 'find an agent that stands by for the database',
  knowDatabase: 'ask an agent whether it lists the database',
  findStaleServer: 'look whether a former owner’s server still answers',
  findLockHolder: 'look which run holds the database’s lock',
  endBackup: 'end a backup that does not give way',

  checkBackup: 'check server, repository, owner and timeline',
  prepareBackup: 'check once more, under the lock, and name the backup',
  pinWal: 'pin the log’s segments and note their sizes',
  storeSegments: 'store the log that the repository lacks',
  storeAttachments: 'store machine definitions and server config',
  digestState: 'replay the log for the state’s digest',
  writeManifest: 'write the manifest: the backup exists from here on',
  closeHealed: 'note that damaged objects were stored again',
  unpinWal: 'unpin the log’s segments',

  chooseBackup: 'choose the backup',
  verifyStoredBackup: 'read the backup and compare it with its manifest',
  recordVerification: 'record the verification’s result',
  findAlternative: 'look for a sound backup to use instead',

  chooseTestPoint: 'choose the backup to test',
  stageTest: 'fetch the backup into a scratch place',
  testServer: 'start a real server on it, compare, write, restart twice',
  recordTest: 'record the test’s result',
  clearTest: 'clear the scratch place',

  inspectLiveDatabase: 'look whether the database is up and complete',
  surveyData: 'count what the data in place hold and no backup does',
  restartServer: 'start the server on the data in place, if they are whole',
  findCandidates: 'look for the states that can be recovered',
  prepareHost: 'run the configured commands that prepare the host',
  readOwnerGeneration: 'read who owns the database',
  takeOwnership: 'take the database over',
  noteHistory: 'note which timeline the database goes on with',
  endRunOfLostOwner: 'end the lost owner’s run that holds the lock',

  checkStart: 'check who has signed the run',
  checkApproval: 'check the signature of an approval',

  findPoint: 'find the point in the stored log, and replay up to it',
  explainPoint: 'read the records around the point, and compare it with the data in place',
  planRestore: 'plan the restore',
  stageWal: 'fetch the backup, check each record, replay',
  rehearse: 'start a real server on the fetched files and compare',
  storeReplaced: 'store what no backup holds of the data that are to be replaced',
  nameSwap: 'note which data are in place',
  swapIn: 'stop the server, swap the data, start the server',
  rollBack: 'put the replaced data back and start the server',
  verifyLive: 'compare the running server with the backup',
  placeElsewhere: 'move the fetched files to their directory',
  clearStaging: 'clear the fetched files',

  readBackups: 'list the backups',
  describeProtection: 'read how well the database is protected',
  inspectHost: 'ask the owner’s host for its server',
};
