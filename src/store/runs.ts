import { runFactKey, type RunFactName, runFactNameOfKey, runsPrefix } from '../core/repository/object-keys.ts';
import { type EndedRun, endedRunSchema } from '../formats/repository/facts.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';

/** Runs that have ended: who asked for them, when, why, and what came of them. */
export type Runs = {
  /** The newest last. */
  names(): Promise<RunFactName[]>;
  /** Undefined if somebody has removed it meanwhile. Fails: damaged-object, untrusted-object, format-unsupported. */
  read(name: RunFactName): Promise<EndedRun | undefined>;
  /** Twice: the first one stands. */
  record(run: Omit<EndedRun, 'format'>): Promise<void>;
};

export function runsOf({ repository, database }: { repository: Repository; database: string }): Runs {
  return {
    names: async () => {
      const names: RunFactName[] = [];
      for await (const key of repository.keys(runsPrefix(database))) {
        const name = runFactNameOfKey(key);
        if (name !== undefined) names.push(name);
      }
      return names.sort((one, other) => one.endedAtMs - other.endedAtMs);
    },
    read: (name) => readSealed(repository, runFactKey(database, name), endedRunSchema),
    record: async (run) => {
      await putSealed(repository, runFactKey(database, run), { schema: endedRunSchema, value: { format: 1, ...run } });
    },
  };
}
