import { join } from 'node:path';
import type { z } from 'zod';
import { type SeenBackup, seenBackupSchema } from '../../formats/agent-state.ts';
import { type Owner, ownerSchema } from '../../formats/repository/history.ts';
import { readStateFile, replaceStateFile } from './state-file.ts';

/** The owner of each database as this installation read it last, kept over its restarts. */
export type SeenOwners = {
  /** Undefined where it has read of none, or what it kept can't be read. */
  recall(database: string): Promise<Owner | undefined>;

  /** Durable when it returns; where the state directory can't be written, known until this process ends. */
  remember(database: string, owner: Owner): Promise<void>;
};

/** The newest backup that this installation has written or read in each repository: one that lacks it is older than it was. */
export type SeenBackups = {
  /** @see SeenOwners */
  recall(of: SeenIn): Promise<SeenBackup | undefined>;
  remember(of: SeenIn, backup: SeenBackup): Promise<void>;
};

type SeenIn = { database: string; repository: string };

export function createSeenOwners(stateDir: string): SeenOwners {
  return createSeen({
    pathOf: (database: string) => join(stateDir, database, 'seen-owner.json'),
    schema: ownerSchema,
    isSame: (known, owner) => known.generation === owner.generation && known.installationId === owner.installationId,
  });
}

export function createSeenBackups(stateDir: string): SeenBackups {
  return createSeen({
    pathOf: ({ database, repository }: SeenIn) => join(stateDir, database, `seen-backup-${repository}.json`),
    schema: seenBackupSchema,
    isSame: (known, backup) => known.label === backup.label,
  });
}

type Seen<Place, Value> = { recall(place: Place): Promise<Value | undefined>; remember(place: Place, value: Value): Promise<void> };

type SeenFiles<Place, Value> = {
  pathOf: (place: Place) => string;
  schema: z.ZodType<Value>;
  isSame: (known: Value, value: Value) => boolean;
};

function createSeen<Place, Value>({ pathOf, schema, isSame }: SeenFiles<Place, Value>): Seen<Place, Value> {
  const known = new Map<string, Value>();
  return {
    recall: async (place) => known.get(pathOf(place)) ?? (await readSeen(pathOf(place), schema)),
    remember: async (place, value) => {
      const path = pathOf(place);
      const last = known.get(path);
      if (last !== undefined && isSame(last, value)) return;
      known.set(path, value);
      await replaceStateFile(path, `${JSON.stringify(value)}\n`).catch(() => undefined);
    },
  };
}

async function readSeen<Value>(path: string, schema: z.ZodType<Value>): Promise<Value | undefined> {
  try {
    return schema.parse(JSON.parse((await readStateFile(path)) ?? 'null'));
  } catch {
    return undefined;
  }
}
