import type { Place } from '../activities/catalogue/locate.ts';
import type { ExpireBackupsInput, ExpireBackupsResult } from '../contract/expire-backups.ts';
import { outcomeOf } from '../contract/result.ts';
import { type Engine, isApprovalWanted } from './engine.ts';
import { placeOfArchive } from './import-backup.ts';

/**
 * First the plan, then the manifests, then what earlier runs have left to go: what a backup alone needs outlives its manifest by a day. It takes no
 * lock: whatever a backup may count on meanwhile stays.
 */
export async function expireBackups(input: ExpireBackupsInput, engine: Engine): Promise<ExpireBackupsResult> {
  const place = await placeOf(engine);
  const { apply = false, backup, despiteClocks, repository: wanted } = input;
  const { database, runId, startedAtMs } = engine;
  engine.phase('planning');
  const nowMs = engine.now();
  const planned = await engine.steps(place).planExpiry({ database, repository: wanted, nowMs, despiteClocks, backup });
  const { repository, planKey } = planned;
  const moving = async (): Promise<number> => {
    engine.phase(`moving ${planned.expireCount} manifests to the trash`);
    return (await engine.steps(place).expireManifests({ database, repository, planKey, nowMs: engine.now() })).moved;
  };
  const moved = apply && planned.expireCount > 0 ? await onceAgreed(engine, { place, input, plan: planned }, moving) : 0;
  engine.phase(apply ? 'deleting what nothing needs any more' : 'counting what nothing needs any more');
  const { stays, ...removed } = await engine.transfers(place).removeExpired({ database, repository, nowMs: engine.now(), isDry: !apply });
  const warnings = stays.map((message) => ({ code: 'pieces-stay', message }));
  const isNothing = apply && moved === 0 && removed.manifests + removed.pieces + removed.others === 0;
  return {
    outcome: warnings.length === 0 && isNothing ? 'not-needed' : outcomeOf(warnings),
    runId,
    database,
    warnings,
    repository,
    applied: apply,
    planHash: planned.planHash,
    keep: planned.keep,
    expire: planned.expire,
    keepCount: planned.keepCount,
    expireCount: planned.expireCount,
    expired: moved,
    removed,
    explained: planned.explained,
    durationMs: engine.now() - startedAtMs,
  };
}

/** A signature is wanted only where the config says so: expiry is for schedules, and what has moved comes back within a day. */
function onceAgreed<T>(engine: Engine, planned: Parameters<Engine['agreed']>[0], work: () => Promise<T>): Promise<T> {
  return isApprovalWanted(planned.plan, 'expireBackups') ? engine.agreed(planned, work) : work();
}

/** Only the owner removes anything. */
const placeOf = (engine: Engine): Promise<Place> => placeOfArchive(engine, { database: engine.database });
