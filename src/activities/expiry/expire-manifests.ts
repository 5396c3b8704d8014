import { databaseSettings } from '../../config/agent-config.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { holdsInForce } from '../../core/retention/hold.ts';
import { countedText } from '../../core/text/figures.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { checkedOf } from '../catalogue/checked.ts';
import type { RunPort } from '../run-port.ts';

/** A plan that is older, and didn't wait for approval, says nothing of what has been asked for since. */
const PLAN_VALID_MS = 3_600_000;

export type ExpireInput = { database: string; repository: string; planKey: string; nowMs: number };
export type ExpiredManifests = { moved: number };

/**
 * Moves to the trash the manifests of the backups that go by the plan, the oldest first; no piece is deleted. Those that are held by now stay, and all do if
 * the newest that can be restored has failed a check since. Fails: store-incomplete, owner-outdated, cancelled, repository-unavailable. Twice: the rest of them.
 */
export const expireManifests =
  (deps: ActivityDeps) =>
  async ({ database, repository, planKey, nowMs }: ExpireInput, run: RunPort): Promise<ExpiredManifests> => {
    const store = await deps.openStore(database, repository);
    const { expire, newestRestorable, plannedAtMs } = await store.plans.expiry.read(planKey);
    if (expire.length === 0) return { moved: 0 };
    await store.owner.require();
    await store.confirm();
    const waitMs = databaseSettings(deps.config, database).approval?.expiresMs ?? 0;
    if (nowMs - plannedAtMs > PLAN_VALID_MS + waitMs) throw changed('its plan is too old');
    if (newestRestorable !== undefined) await requireRestorable(store, newestRestorable);
    let moved = 0;
    for (const { label } of expire.toReversed()) {
      await run.checkOpen();
      const expiring = { label, atMs: nowMs, runId: run.runId };
      const isHeld = async (): Promise<boolean> => holdsInForce(await store.retention.holds(label), nowMs).length > 0;
      // Who holds it may come after the plan was made, and also between the question and the move.
      if (!(await isHeld())) await store.retention.expire(expiring);
      if (await isHeld()) await store.retention.bringBack(expiring);
      else moved += 1;
      run.report({ doing: `moving: ${moved} of ${expire.length}` });
    }
    const sentence = `${countedText(moved, 'backup')} of "${database}" in "${repository}" expired`;
    deps.events.record({ kind: 'backups-expired', database, repository, sentence, moved });
    return { moved };
  };

/** Somebody may have checked it while the plan waited for approval. */
async function requireRestorable(store: Store, label: string): Promise<void> {
  if ((await store.backups.state(label)).kind !== 'read') throw changed(`backup ${label}, which was to stay, is gone`);
  const { hasFailed } = await checkedOf(store, await store.facts.of(label));
  if (hasFailed)
    throw changed(`backup ${label}, which was to stay as the newest that can be restored, has failed a check since it was planned`);
}

function changed(why: string): RstowError {
  return new RstowError('store-incomplete', `nothing expires: ${why}`);
}
