import { makeContinueAsNewFunc, sleep, workflowInfo } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import type { PreparedBackup } from '../activities/backup/prepare-backup.ts';
import { type HotBackupInput, type HotBackupResult, parseHotBackupInput } from '../contract/hot-backup.ts';
import { outcomeOf } from '../contract/result.ts';
import { GIVE_UP_MEMO } from '../contract/names.ts';
import { cleanup, lockedTransfer, step } from './activity-proxies.ts';
import { compensate } from './compensation.ts';
import { isScheduled, withDatabaseLock } from './database-lock.ts';
import { unlessNeededElsewhere } from './give-way.ts';
import { passingReason } from './patience.ts';
import { placeOfDatabase } from './place.ts';
import type { Run } from './run.ts';
import { workflow } from './workflow.ts';

/** Of a run whose schedule doesn't say its interval. */
const SCHEDULED_GIVE_UP_MS = 900_000;
const RETRY_MS = 15_000;

/** Backs up a running server: nobody waits for it, and nothing that was acknowledged before its fence is missing. */
export const hotBackup = workflow('hotBackup', parseHotBackupInput, async (input: HotBackupInput, run): Promise<HotBackupResult> => {
  const giveUpAtMs = giveUpTime(run);
  run.phase('looking for the database’s agent', `the agent that owns ${input.database}`);
  const place = await placeOfDatabase(input.database, { waitMs: giveUpAtMs - Date.now() });
  run.placed(place);
  await untilReady(input, { run, place, giveUpAtMs });
  try {
    return await withDatabaseLock(run, place, () => unlessNeededElsewhere(run, () => backUp(input, run, place)));
  } catch (error) {
    const reason = passingReason(error);
    const { retryMaxMs } = place.timing;
    if (reason === undefined || Date.now() + retryMaxMs > giveUpAtMs) throw error;
    // Whoever needs the lock more doesn't wait for a repository to come back: a run of its own waits, without the lock.
    await waitAgain(run, reason, retryMaxMs);
    return beginAgain(input, giveUpAtMs);
  }
});

/** A run of its own, for the time that is left: each run's time counts from its own start. */
function beginAgain(input: HotBackupInput, giveUpAtMs: number): Promise<never> {
  const memo = { ...workflowInfo().memo, [GIVE_UP_MEMO]: giveUpAtMs - Date.now() };
  return makeContinueAsNewFunc<(input: HotBackupInput) => Promise<HotBackupResult>>({ memo })(input);
}

/** A person is told soon what doesn't work; a run of a schedule tries for as long as its interval. Unix ms. */
function giveUpTime(run: Run): number {
  if (!isScheduled()) return run.startedAtMs;
  const { [GIVE_UP_MEMO]: giveUpMs } = workflowInfo().memo ?? {};
  return run.startedAtMs + (typeof giveUpMs === 'number' ? giveUpMs : SCHEDULED_GIVE_UP_MS);
}

type Waiting = { run: Run; place: Place; giveUpAtMs: number };

/** Waits without the lock for what a backup needs. Fails: as the check does, when the time is over. */
async function untilReady({ database, repository }: HotBackupInput, { run, place, giveUpAtMs }: Waiting): Promise<void> {
  const wanted = repository === undefined ? { database } : { database, repository };
  run.phase('checking server, repository and timeline');
  for (;;) {
    try {
      await step(place).checkBackup(wanted);
      return;
    } catch (error) {
      const reason = passingReason(error);
      if (reason === undefined || Date.now() + RETRY_MS > giveUpAtMs) throw error;
      await waitAgain(run, reason, RETRY_MS);
    }
  }
}

async function waitAgain(run: Run, reason: string, waitMs: number): Promise<void> {
  run.phase('waiting until a backup is possible', `${reason}; the next try is at ${new Date(Date.now() + waitMs).toISOString()}`);
  await sleep(waitMs, { summary: `then check again: ${reason}` });
}

/** The exclusive part: whoever calls it holds the database's lock. */
export async function backUp(input: HotBackupInput, run: Run, place: Place): Promise<HotBackupResult> {
  const { database, repository: wanted } = input;
  run.phase('checking server, repository and timeline');
  const wantedRepository = wanted === undefined ? {} : { repository: wanted };
  // Now, not when the run began: it may have waited for days, or have been reset.
  const startedAtMs = Date.now();
  const prepared = await step(place).prepareBackup({ database, startedAtMs, ...wantedRepository });
  try {
    return await storePinned({ run, place, startedAtMs }, prepared);
  } finally {
    await compensate('unpinning', () => cleanup(place).unpinWal({ database, timeline: prepared.timeline }));
  }
}

type Begun = { run: Run; place: Place; startedAtMs: number };

async function storePinned({ run, place, startedAtMs }: Begun, prepared: PreparedBackup): Promise<HotBackupResult> {
  const { database } = run;
  const { repository, label, timeline, serverVersion } = prepared;
  run.phase('pinning the segments');
  const { fenceKey, pin } = await step(place).pinWal({ database, repository, timeline });
  run.phase('storing what the repository lacks');
  const stored = await lockedTransfer(place).storeSegments({ database, repository, timeline, fenceKey });
  const { extentsKey } = stored;
  run.phase('replaying for the state’s digest, and comparing with the server');
  const state = await lockedTransfer(place).digestState({ database, repository, fenceKey, extentsKey });
  run.phase('keeping machines and server config');
  const withSnapshots = state.restorable !== 'from-log';
  const kept = await lockedTransfer(place).storeAttachments({ database, repository, label, withSnapshots });
  run.phase('writing the manifest');
  const warnings = [...prepared.warnings, ...stored.warnings, ...state.warnings, ...kept.warnings];
  const facts = { startedAtMs, serverVersion, extentsKey, pin, state, attachments: kept.attachments, warnings };
  const { warnings: written, ...summary } = await step(place).writeManifest({ database, repository, label, timeline, ...facts });
  if (stored.healed > 0) await step(place).closeHealed({ database, repository, atMs: Date.now() });
  const durationMs = Date.now() - run.startedAtMs;
  const all = [...warnings, ...written];
  return { outcome: outcomeOf(all), runId: run.runId, database, warnings: all, ...summary, durationMs };
}
