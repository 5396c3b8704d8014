import { join } from 'node:path';
import { type Owner, ownerSchema } from '../../formats/repository/history.ts';
import { readStateFile, replaceStateFile } from './state-file.ts';

/** The owner of each database as this installation read it last, kept over its restarts. */
export type SeenOwners = {
  /** Undefined where it has read of none, or what it kept can't be read. */
  recall(database: string): Promise<Owner | undefined>;

  /** Durable when it returns; where the state directory can't be written, known until this process ends. */
  remember(database: string, owner: Owner): Promise<void>;
};

export function createSeenOwners(stateDir: string): SeenOwners {
  const known = new Map<string, Owner>();
  const pathOf = (database: string): string => join(stateDir, database, 'seen-owner.json');
  return {
    recall: async (database) => known.get(database) ?? (await readOwner(pathOf(database))),
    remember: async (database, owner) => {
      if (isSame(known.get(database), owner)) return;
      known.set(database, owner);
      await replaceStateFile(pathOf(database), `${JSON.stringify(owner)}\n`).catch(() => undefined);
    },
  };
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return ownerSchema.parse(JSON.parse((await readStateFile(path)) ?? 'null'));
  } catch {
    return undefined;
  }
}

const isSame = (known: Owner | undefined, owner: Owner): boolean =>
  known?.generation === owner.generation && known.installationId === owner.installationId;
