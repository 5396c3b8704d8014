import { damageKey, damagePrefix, trashKey } from '../core/repository/object-keys.ts';
import { type DamageFact, damageSchema } from '../formats/repository/piece.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed, unlessUnreadable } from '../io/repository/sealed-object.ts';

/** Objects that a check found damaged, until a backup has stored them again. */
export type Damage = {
  /** Remembers that an object is damaged. Twice, for one run: the first record stands. */
  record(damage: Omit<DamageFact, 'format'>): Promise<void>;
  /** What is known to be damaged and was not stored again yet. */
  known(): Promise<DamageFact[]>;
  /** Puts the record aside with what it named. Twice: no-op. */
  close(closing: { damage: DamageFact; runId: string }): Promise<void>;
  /** Moves an object out of the way; it is never deleted. Twice: no-op, though another object has its name by now. */
  putAside(key: string, runId: string): Promise<void>;
};

export function damageOf({ repository, database }: { repository: Repository; database: string }): Damage {
  return {
    record: (damage) => recordDamage(repository, database, damage),
    known: () => readDamage(repository, database),
    close: (closing) => closeDamage(repository, database, closing),
    putAside: (key, runId) => putAside(repository, key, runId),
  };
}

export async function recordDamage(repository: Repository, database: string, damage: Omit<DamageFact, 'format'>): Promise<void> {
  await putSealed(repository, damageKey(database, damage), { schema: damageSchema, value: { format: 1, ...damage } });
}

export async function readDamage(repository: Repository, database: string): Promise<DamageFact[]> {
  const found: DamageFact[] = [];
  for await (const key of repository.keys(damagePrefix(database))) {
    // A record that can't be read names nothing; a foreign file is none.
    const damage = await unlessUnreadable(readSealed(repository, key, damageSchema));
    if (damage !== undefined) found.push(damage);
  }
  return found;
}

export async function closeDamage(repository: Repository, database: string, closing: { damage: DamageFact; runId: string }): Promise<void> {
  const key = damageKey(database, closing.damage);
  await repository.move(key, trashKey(closing.runId, key));
}

export async function putAside(repository: Repository, key: string, runId: string): Promise<void> {
  const aside = trashKey(runId, key);
  if (!(await exists(repository, aside))) await repository.move(key, aside);
}

async function exists(repository: Repository, wanted: string): Promise<boolean> {
  for await (const key of repository.keys(wanted)) if (key === wanted) return true;
  return false;
}
