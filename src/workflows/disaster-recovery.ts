import type { Place } from '../activities/catalogue/locate.ts';
import type { LiveDatabase } from '../activities/recovery/restart-server.ts';
import type { LockHolder } from '../activities/run-port.ts';
import type { DisasterRecoveryInput, DisasterRecoveryResult } from '../contract/disaster-recovery.ts';
import { type Warning, withWarning } from '../contract/result.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Engine, Hosts } from './engine.ts';
import { restartFirst } from './restart-first.ts';
import { takeOver } from './take-over.ts';

/** The newest provable state onto a host that can run it. */
export async function disasterRecovery(input: DisasterRecoveryInput, engine: Engine): Promise<DisasterRecoveryResult> {
  const { database, force } = input;
  const notNeeded = { outcome: 'not-needed' as const, runId: engine.runId, database, warnings: [upAndNew] };
  engine.phase('checking whether the database is up', 'the owner’s agent, for a few seconds');
  const { owner, standby } = await engine.places.hosts(database);
  if (isWell(await inspect(input, engine, owner))) return notNeeded;
  const target = await targetOf(input, engine, { owner, standby });
  engine.placed(target);
  return engine.requested({ place: target, input }, async () => {
    const ended = owner === undefined ? await engine.steps(target).endRunOfLostOwner({ database }) : null;
    const result = await engine.exclusiveFirst<DisasterRecoveryResult>(target, async () => {
      // What kept the database down may have been a restore, or another recovery, that has ended by now.
      const stillThere = force === true ? owner : await engine.places.ownerIfStillThere(database);
      const live = await inspect(input, engine, stillThere);
      if (isWell(live)) return notNeeded;
      const first = await restartFirst(input, engine, { place: stillThere, isUp: live?.isUp ?? force === true });
      return 'outcome' in first ? first : takeOver(input, engine, { place: target, givenUp: first });
    });
    return ended === null ? result : withWarning(result, endedFor(ended));
  });
}

function endedFor({ workflowId, type }: LockHolder): Warning {
  return { code: 'busy', message: `${type} ${workflowId} held the database’s lock for its lost owner, and was ended` };
}

const upAndNew = {
  code: 'not-needed',
  message: 'the database is up, and holds at least what its newest backup holds; `rstow recover --force` recovers it all the same',
};

/** Undefined if nobody knows, or if a recovery by force doesn't ask. */
async function inspect(
  { database, force }: DisasterRecoveryInput,
  engine: Engine,
  owner: Place | undefined,
): Promise<LiveDatabase | undefined> {
  if (owner === undefined || force === true) return undefined;
  return engine.steps(owner).inspectLiveDatabase({ database });
}

function isWell(live: LiveDatabase | undefined): boolean {
  return live !== undefined && live.isUp && live.isAsNew;
}

/** The agent that was named, else one that stands by, else the owner itself. Fails: agent-unreachable. */
async function targetOf({ agent, database }: DisasterRecoveryInput, engine: Engine, { owner, standby }: Hosts): Promise<Place> {
  if (agent !== undefined) return engine.places.agent(agent, database);
  const target = standby ?? owner;
  if (target !== undefined) return target;
  throw new RstowError(
    'agent-unreachable',
    `no agent stands by for database "${database}", and its owner does not answer: --agent names the host that shall run it`,
  );
}
