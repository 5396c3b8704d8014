import { isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { suffixOf } from '../../core/repository/coded-name.ts';
import type { Rotation } from '../../store/rotation.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

/** What lies under other keys than those of today. */
export type PlannedRotation = {
  repository: string;
  /** How the names of objects end that are stored now. */
  suffix: string;
  objects: number;
  sizeBytes: number;
  sets: OutdatedSet[];
};

type OutdatedSet = { suffix: string; objects: number; /** The one that came last, by the repository's clock. */ newestKey: string };

/** Of each set of keys so many objects are tried, until one of them can be opened: others may be damaged. */
const SAMPLES_MAX = 5;

/**
 * Counts what is to be rotated, and checks that this host can open it, and what it is about to store. Writes nothing but what its key set is.
 * Fails: wrong-key, unknown-repository, repository-unavailable. Twice: counts again.
 */
export const planRotation =
  (deps: ActivityDeps) =>
  async ({ database, repository }: { database: string; repository?: string | undefined }, run: RunPort): Promise<PlannedRotation> => {
    const store = await deps.openStore(database, repository);
    const { rotation } = store;
    await rotation.requireOwnKeys();
    const found = new Map<string, FoundSet>();
    let [objects, sizeBytes] = [0, 0];
    for await (const object of rotation.outdated()) {
      run.signal.throwIfAborted();
      const suffix = suffixOf(object.key) ?? '';
      const set = found.get(suffix) ?? { suffix, objects: 0, newestKey: object.key, newestAtMs: 0, samples: [] };
      found.set(suffix, set);
      objects += 1;
      sizeBytes += object.sizeBytes;
      set.objects += 1;
      if (object.modifiedAtMs >= set.newestAtMs) Object.assign(set, { newestKey: object.key, newestAtMs: object.modifiedAtMs });
      if (!object.isGone && set.samples.length < SAMPLES_MAX) set.samples.push(object.key);
      run.report({ doing: `counting: ${objects}` });
    }
    for (const { samples } of found.values()) await requireOneOpens(rotation, samples);
    const sets = [...found.values()].map(({ suffix, objects: own, newestKey }) => ({ suffix, objects: own, newestKey }));
    return { repository: store.name, suffix: rotation.suffix, objects, sizeBytes, sets };
  };

type FoundSet = OutdatedSet & { newestAtMs: number; samples: string[] };

/** What is damaged says nothing about the keys. Fails: wrong-key. */
async function requireOneOpens(rotation: Rotation, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    try {
      await rotation.requireKeysOf(key);
      return;
    } catch (error) {
      if (!(error instanceof RstowError) || !isObjectDamage(error.code)) throw error;
    }
  }
}
