import { markKey, marksPrefix } from '../core/repository/object-keys.ts';
import { type Mark, markSchema } from '../formats/repository/history.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed, unlessUnreadable } from '../io/repository/sealed-object.ts';

/** Points of the history that people have given names. */
export type Marks = {
  /** Undefined if there is none of that name. Fails: damaged-object, format-unsupported. */
  find(name: string): Promise<Mark | undefined>;
  /** Those that can be read, by name. */
  all(): Promise<Mark[]>;
  /** Gives the mark that stands. Twice: the first one. */
  put(mark: Omit<Mark, 'format'>): Promise<Mark>;
};

export function marksOf({ repository, database }: { repository: Repository; database: string }): Marks {
  const find = (name: string): Promise<Mark | undefined> => readSealed(repository, markKey(database, name), markSchema);
  return {
    find,
    all: async () => {
      const marks: Mark[] = [];
      for await (const key of repository.keys(marksPrefix(database))) {
        const mark = await unlessUnreadable(readSealed(repository, key, markSchema));
        if (mark !== undefined) marks.push(mark);
      }
      return marks;
    },
    put: async (mark) => {
      const value: Mark = { format: 1, ...mark };
      const put = await putSealed(repository, markKey(database, mark.name), { schema: markSchema, value });
      return put === 'stored' ? value : ((await find(mark.name)) ?? value);
    },
  };
}
