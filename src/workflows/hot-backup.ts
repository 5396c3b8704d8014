import type { Place } from '../activities/catalogue/locate.ts';
import type { PreparedBackup } from '../activities/backup/prepare-backup.ts';
import { type HotBackupInput, type HotBackupResult, parseHotBackupInput } from '../contract/hot-backup.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { cleanup, step, transfer } from './activity-proxies.ts';
import { compensate } from './compensation.ts';
import { withDatabaseLock } from './database-lock.ts';
import { unlessNeededElsewhere } from './give-way.ts';
import { placeOfDatabase } from './place.ts';
import type { Run } from './run.ts';
import { workflow } from './workflow.ts';

/** Backs up a running server: nobody waits for it, and nothing that was acknowledged before its fence is missing. */
export const hotBackup = workflow('hotBackup', parseHotBackupInput, async (input: HotBackupInput, run): Promise<HotBackupResult> => {
  run.phase('looking for the database’s agent', `an agent that serves ${input.database}`);
  const place = await placeOfDatabase(input.database);
  run.placed(place);
  return withDatabaseLock(run, place, () => unlessNeededElsewhere(run, () => backUp(input, run, place)));
});

/** The exclusive part: whoever calls it holds the database's lock. */
export async function backUp(input: HotBackupInput, run: Run, place: Place): Promise<HotBackupResult> {
  const { database, repository: wanted } = input;
  run.phase('checking server, repository and timeline');
  const wantedRepository = wanted === undefined ? {} : { repository: wanted };
  const prepared = await step(place).prepareBackup({ database, startedAtMs: run.startedAtMs, ...wantedRepository });
  try {
    return await storePinned(run, place, prepared);
  } finally {
    await compensate('unpinning', () => cleanup(place).unpinWal({ database, timeline: prepared.timeline }));
  }
}

async function storePinned(run: Run, place: Place, prepared: PreparedBackup): Promise<HotBackupResult> {
  const { database, startedAtMs } = run;
  const { repository, label, timeline, serverVersion } = prepared;
  run.phase('pinning the segments');
  const { fenceKey, pin } = await step(place).pinWal({ database, repository, timeline });
  run.phase('storing what the repository lacks');
  const stored = await transfer(place).storeSegments({ database, repository, timeline, fenceKey });
  const { extentsKey, restorable } = stored;
  run.phase('keeping machines and server config');
  const withSnapshots = restorable !== 'from-log';
  const kept = await transfer(place).storeAttachments({ database, repository, label, withSnapshots });
  run.phase('replaying for the state’s digest');
  const state = await transfer(place).digestState({ database, repository, fenceKey, extentsKey });
  run.phase('writing the manifest');
  const warnings = [...stored.warnings, ...kept.warnings, ...(withSnapshots ? [historyIncomplete] : [])];
  const facts = { startedAtMs, serverVersion, extentsKey, pin, state, attachments: kept.attachments, warnings };
  const summary = await step(place).writeManifest({ database, repository, label, timeline, ...facts });
  const durationMs = Date.now() - startedAtMs;
  return { outcome: outcomeOf(warnings), runId: run.runId, database, warnings, ...summary, durationMs };
}

const historyIncomplete: Warning = {
  code: 'wal-gap',
  message: 'compaction deleted the beginning of the log before it was stored, so a server that starts from this backup lacks data',
};
