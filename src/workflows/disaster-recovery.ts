import { CancellationScope, defineSignal, isCancellation, setHandler } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import type { LiveDatabase } from '../activities/catalogue/live-database.ts';
import type { LockHolder } from '../activities/run-registry.ts';
import { type DisasterRecoveryInput, type DisasterRecoveryResult, parseDisasterRecoveryInput } from '../contract/disaster-recovery.ts';
import { ABORT_SIGNAL, REQUEST_RECOVERY_SIGNAL } from '../contract/messages.ts';
import type { Warning } from '../contract/result.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { step } from './activity-proxies.ts';
import { onceRequested } from './approval.ts';
import { withDatabaseLockFirst, withWarning } from './database-lock.ts';
import { type Hosts, hostsIfThere, ownerIfStillThere, placeOfAgent } from './place.ts';
import type { Run } from './run.ts';
import { restartFirst } from './restart-first.ts';
import { takeOver } from './take-over.ts';
import { workflow } from './workflow.ts';

const requestRecovery = defineSignal<[unknown]>(REQUEST_RECOVERY_SIGNAL);
const abort = defineSignal(ABORT_SIGNAL);

/**
 * The newest provable state onto a host that can run it. Other services ask for it by signal-with-start under one id: the
 * first request counts, later ones are counted.
 */
export const disasterRecovery = workflow(
  'disasterRecovery',
  parseDisasterRecoveryInput,
  async (input: DisasterRecoveryInput, run): Promise<DisasterRecoveryResult> => {
    const requests = countRequests();
    const result = await unlessAborted(run, () => recover(input, run));
    return result.outcome === 'not-needed' ? result : { ...result, laterRequests: requests.later() };
  },
);

async function recover(input: DisasterRecoveryInput, run: Run): Promise<DisasterRecoveryResult> {
  const { database } = input;
  const notNeeded = { outcome: 'not-needed' as const, runId: run.runId, database, warnings: [upAndNew] };
  run.phase('looking whether the database is up', 'the owner’s agent, for a few seconds');
  const { owner, standby } = await hostsIfThere(database);
  if (isWell(await inspect(input, owner))) return notNeeded;
  const target = await targetOf(input, { owner, standby });
  run.placed(target);
  return onceRequested({ run, place: target, input }, async () => {
    const ended = owner === undefined ? await step(target).endRunOfLostOwner({ database }) : null;
    const result = await withDatabaseLockFirst(run, target, async () => {
      // What kept the database down may have been a restore, or another recovery, that has ended by now.
      const stillThere = input.force === true ? owner : await ownerIfStillThere(database);
      const live = await inspect(input, stillThere);
      if (isWell(live)) return notNeeded;
      const first = await restartFirst(input, run, { place: stillThere, isUp: live?.isUp ?? input.force === true });
      return 'outcome' in first ? first : takeOver(input, run, { place: target, givenUp: first });
    });
    return ended === null ? result : withWarning(result, endedFor(ended));
  });
}

function endedFor({ workflowId, type }: LockHolder): Warning {
  return { code: 'busy', message: `${type} ${workflowId} held the database’s lock for its lost owner, and was ended` };
}

/** The signal is heeded as a cancellation is: until the old data are moved. Fails: cancelled. */
async function unlessAborted<T>(run: Run, work: () => Promise<T>): Promise<T> {
  const scope = new CancellationScope();
  const signals = { isAborted: false };
  setHandler(abort, () => {
    signals.isAborted = true;
    scope.cancel();
  });
  try {
    return await scope.run(work);
  } catch (error) {
    if (!signals.isAborted || !isCancellation(error)) throw error;
    throw new RstowError('cancelled', `the recovery was aborted at: ${run.progress.phase}`);
  }
}

const upAndNew = { code: 'not-needed', message: 'the database is up, and holds at least what its newest backup holds' };

/** The first signal came with the start, and is the request itself; a start without one counts the next as such. */
function countRequests(): { later(): number } {
  let signals = 0;
  setHandler(requestRecovery, () => {
    signals += 1;
  });
  return { later: () => Math.max(0, signals - 1) };
}

/** Undefined where nobody can tell, or where a recovery by force doesn't ask. */
async function inspect({ database, force }: DisasterRecoveryInput, owner: Place | undefined): Promise<LiveDatabase | undefined> {
  if (owner === undefined || force === true) return undefined;
  return step(owner).inspectLiveDatabase({ database });
}

function isWell(live: LiveDatabase | undefined): boolean {
  return live !== undefined && live.isUp && live.isAsNew;
}

/** The agent that was named, else one that stands by, else the owner itself. Fails: agent-unreachable. */
async function targetOf({ agent, database }: DisasterRecoveryInput, { owner, standby }: Hosts): Promise<Place> {
  if (agent !== undefined) return placeOfAgent(agent, database);
  const target = standby ?? owner;
  if (target !== undefined) return target;
  throw new RstowError(
    'agent-unreachable',
    `no agent stands by for database "${database}", and its owner does not answer: --agent names the host that shall run it`,
  );
}
