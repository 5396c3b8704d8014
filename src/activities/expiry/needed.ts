import { lineageOf, type TimelineNode } from '../../core/backup/history.ts';
import { isUnreadable } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { timelinesSince } from '../../core/retention/kept-timelines.ts';
import { holdsInForce } from '../../core/retention/hold.ts';
import type { Reference } from '../../core/retention/unneeded-pieces.ts';
import { databaseSettings } from '../../config/agent-config.ts';
import type { ExpiredManifest } from '../../store/retention.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';

const DAY_MS = 86_400_000;

/** Whatever may still be read or counted on. */
export type Needed = {
  references: Reference[];
  timelines: ReadonlyMap<string, TimelineNode>;
  keptTimelines: ReadonlySet<string>;
  /** Of backups that are there, have just expired, or are being made. */
  labels: ReadonlySet<string>;
  /** Manifests in the trash whose time is over, of backups that no other repository has: nobody could copy those back. */
  expiredKeys: string[];
  /** Why nobody can say what is needed; empty if it is known. */
  doubts: string[];
};

type Asked = { inUse: string; nowMs: number; /** What has expired since then stays. */ beforeMs: number };

/**
 * By the manifests and open plans of all of the database's repositories, for one may be copied to another; by those that expired within a
 * day; and by the histories that may be continued or recovered to. Fails: repository-unavailable.
 */
export async function whatIsNeeded(deps: ActivityDeps, store: Store, { inUse, nowMs, beforeMs }: Asked): Promise<Needed> {
  const { database } = store;
  const doubts: string[] = [];
  const own = await referencesOf(store, { nowMs, beforeMs });
  const { answers, failures } = await deps.catalogueOf(database).each(async (one) => {
    return one.name === store.name ? undefined : referencesOf(one, { nowMs, beforeMs });
  });
  for (const { name, error } of failures) doubts.push(`repository ${name} could not be asked what it needs: ${error.message}`);
  const others = answers.flatMap(({ found }) => found ?? []);
  const elsewhere = new Set(others.flatMap(({ labels }) => [...labels]));
  const timelines = await store.timelines.all();
  if (lineageOf(timelines, inUse) === undefined) doubts.push(`the repository does not know timeline ${inUse}, which is in use`);
  const { keepDays, windowDays = 0 } = databaseSettings(deps.config, database).retention;
  const sinceMs = nowMs - Math.max(keepDays, windowDays) * DAY_MS;
  return {
    references: [own, ...others].flatMap(({ references }) => references),
    timelines,
    keptTimelines: timelinesSince(timelines.values(), inUse, sinceMs),
    labels: own.labels,
    expiredKeys: own.expired.filter(({ label }) => !elsewhere.has(label)).map(({ key }) => key),
    doubts: [...new Set([...doubts, ...[own, ...others].flatMap((one) => one.doubts)])],
  };
}

type Referring = { references: Reference[]; labels: Set<string>; expired: ExpiredManifest[]; doubts: string[] };

async function referencesOf(store: Store, { nowMs, beforeMs }: Pick<Asked, 'nowMs' | 'beforeMs'>): Promise<Referring> {
  const found: Referring = { references: [], labels: new Set(), expired: [], doubts: [] };
  const { positions, unplaced } = await store.backups.positions();
  for (const label of [...positions.map((position) => position.label), ...unplaced]) {
    found.labels.add(label);
    const state = await store.backups.state(label);
    if (state.kind === 'read') found.references.push(state.manifest.segments);
    if (state.kind === 'unreadable') found.doubts.push(`the manifest of ${label} in ${store.name} can’t be read: ${state.error.message}`);
  }
  for (const { label } of await store.backups.claims()) found.labels.add(label);
  const held = new Set(holdsInForce(await store.retention.holds(), nowMs).map(({ label }) => label));
  for (const expired of await store.retention.expired()) {
    if (expired.atMs <= beforeMs && !held.has(expired.label)) found.expired.push(expired);
    else {
      found.labels.add(expired.label);
      await readInto(found, async () => (await store.retention.readExpired(expired))?.segments);
    }
  }
  await readPlans(store, found);
  return found;
}

/** What a run has decided to read stays until its plans are cleared. */
async function readPlans({ plans }: Store, found: Referring): Promise<void> {
  for (const { keys } of await plans.runs()) {
    for (const key of keys) {
      const name = key.slice(key.lastIndexOf('/') + 1);
      if (/^restore(-[0-9]+)?\.json$/.test(name)) await readInto(found, async () => (await plans.restore().read(key)).segments);
      if (name === 'point.json') await readInto(found, async () => (await plans.point.read(key)).segments);
      if (name === 'instance.json') await readInto(found, async () => (await plans.instance.read(key)).segments);
    }
  }
}

/** What is gone by now needs nothing; what can't be read might need anything. */
async function readInto({ references, doubts }: Referring, read: () => Promise<Reference | undefined>): Promise<void> {
  try {
    const segments = await read();
    if (segments !== undefined) references.push(segments);
  } catch (error) {
    if (!(error instanceof RstowError) || !isUnreadable(error.code)) throw error;
    if (error.code !== 'missing-object') doubts.push(error.message);
  }
}
