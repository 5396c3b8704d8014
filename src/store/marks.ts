import { isUnreadable } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { markKey, marksPrefix } from '../core/repository/object-keys.ts';
import { timeText } from '../core/text/figures.ts';
import { type Mark, markSchema } from '../formats/repository/history.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed, unlessUnreadable } from '../io/repository/sealed-object.ts';

/** `unreadable`: names of marks that can't be read, each of which may be of any backup. */
export type MarkNames = { byLabel: ReadonlyMap<string, readonly string[]>; unreadable: readonly string[] };

/** Points of the history that people have given names. */
export type Marks = {
  /** Undefined if there is none of that name. Fails: damaged-object, format-unsupported. */
  find(name: string): Promise<Mark | undefined>;
  /** The ones that were written last, by the repository's clock, as far as they can be read; all are counted. */
  newest(limit: number): Promise<{ total: number; marks: Mark[] }>;
  /** All of them: reads each. */
  names(): Promise<MarkNames>;
  /** Fails: mark-taken, if another run has given the name. */
  requireFree(mark: Pick<Mark, 'name' | 'runId'>): Promise<void>;
  /** Fails: mark-taken. Twice: the run's first one stays. */
  put(mark: Omit<Mark, 'format'>): Promise<void>;
  /** Takes the name from the end of that backup, also if the mark can't be read. Gives whether it was there. Twice: false. */
  remove(mark: Pick<Mark, 'name' | 'label'>): Promise<boolean>;
};

export function marksOf({ repository, database }: { repository: Repository; database: string }): Marks {
  const find = (name: string): Promise<Mark | undefined> => readSealed(repository, markKey(database, name), markSchema);
  const requireFree = async ({ name, runId }: Pick<Mark, 'name' | 'runId'>): Promise<void> => {
    const there = await find(name);
    if (there === undefined || there.runId === runId) return;
    const sentence = `the mark "${name}" of "${database}" is there already: it is the end of backup ${there.label} of ${timeText(there.atMs)}`;
    throw new RstowError('mark-taken', sentence, { details: { database, label: there.label } });
  };
  return {
    find,
    newest: (limit) => newestMarks(repository, database, limit),
    names: () => markNames(repository, database),
    requireFree,
    put: async (mark) => {
      await putSealed(repository, markKey(database, mark.name), { schema: markSchema, value: { format: 1, ...mark } });
      await requireFree(mark);
    },
    remove: async ({ name, label }) => {
      const there = await unlessUnreadable(find(name));
      if (there !== undefined && there.label !== label) return false;
      const keys: string[] = [];
      for await (const key of repository.keys(markKey(database, name))) keys.push(key);
      await repository.deleteMany(keys);
      return keys.length > 0;
    },
  };
}

async function newestMarks(repository: Repository, database: string, limit: number): Promise<{ total: number; marks: Mark[] }> {
  const listed: { key: string; modifiedAtMs: number }[] = [];
  for await (const { key, modifiedAtMs } of repository.list(marksPrefix(database))) listed.push({ key, modifiedAtMs });
  const newest = listed.sort((one, other) => other.modifiedAtMs - one.modifiedAtMs).slice(0, limit);
  const marks = await Promise.all(newest.map(({ key }) => unlessUnreadable(readSealed(repository, key, markSchema))));
  return { total: listed.length, marks: marks.filter((mark) => mark !== undefined) };
}

async function markNames(repository: Repository, database: string): Promise<MarkNames> {
  const byLabel = new Map<string, string[]>();
  const unreadable: string[] = [];
  for await (const key of repository.keys(marksPrefix(database))) {
    try {
      const mark = await readSealed(repository, key, markSchema);
      if (mark !== undefined) byLabel.set(mark.label, [...(byLabel.get(mark.label) ?? []), mark.name]);
    } catch (error) {
      if (!(error instanceof RstowError) || !isUnreadable(error.code)) throw error;
      unreadable.push(key.slice(marksPrefix(database).length).replace(/\.json$/, ''));
    }
  }
  return { byLabel, unreadable };
}
