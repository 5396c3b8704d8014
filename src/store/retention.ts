import { indexPrefix, positionOfKey } from '../core/backup/label.ts';
import {
  EXPIRED_PREFIX,
  expiredManifestKey,
  expiredOfKey,
  holdKey,
  holdsPrefix,
  labelOfHoldKey,
  manifestKey,
} from '../core/repository/object-keys.ts';
import type { Hold } from '../core/retention/hold.ts';
import { holdSchema } from '../formats/repository/history.ts';
import { type Manifest, manifestSchema } from '../formats/repository/manifest.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readPutAside, readSealed, unlessUnreadable } from '../io/repository/sealed-object.ts';

/** The manifest of an expired backup, in the trash. `atMs`: when it was moved there, by the run's clock. */
export type ExpiredManifest = { key: string; label: string; atMs: number };

/** What is to stay, and what has gone. */
export type Retention = {
  /** Of that backup, or of all. One that can't be read holds its backup all the same. */
  holds(label?: string): Promise<Hold[]>;
  /** Twice, for one run: the first one stands. */
  hold(hold: Hold & { atMs: number; runId: string }): Promise<void>;
  /** Gives how many there were. Twice: none is left. */
  release(label: string): Promise<number>;
  /** Takes the backup out of the list: its place first, then its manifest, which goes to the trash. Twice: no-op. */
  expire(of: { label: string; atMs: number; runId: string }): Promise<void>;
  /** Takes back what `expire` did; a backup is found without its place too. Twice: no-op. */
  bringBack(of: { label: string; atMs: number; runId: string }): Promise<void>;
  /** All whose manifests lie in the trash. */
  expired(): Promise<ExpiredManifest[]>;
  /** Undefined if it is gone by now. Fails: damaged-object, truncated-object, untrusted-object, format-unsupported. */
  readExpired(expired: ExpiredManifest): Promise<Manifest | undefined>;
};

type Scope = { repository: Repository; database: string };

export function retentionOf({ repository, database }: Scope): Retention {
  return {
    holds: (label) => readHolds(repository, database, label),
    hold: async ({ runId, ...hold }) => {
      await putSealed(repository, holdKey(database, hold.label, runId), { schema: holdSchema, value: { format: 1, ...hold } });
    },
    release: async (label) => {
      const own: string[] = [];
      for await (const { key } of holdKeys(repository, database, label)) own.push(key);
      await repository.deleteMany(own);
      return own.length;
    },
    expire: async (of) => {
      const places: string[] = [];
      for await (const key of repository.keys(indexPrefix(database))) if (positionOfKey(key)?.label === of.label) places.push(key);
      // A place without a manifest would be listed as a backup; a manifest without a place is found.
      await repository.deleteMany(places);
      await repository.move(manifestKey(database, of.label), expiredManifestKey({ database, ...of }));
    },
    bringBack: (of) => repository.move(expiredManifestKey({ database, ...of }), manifestKey(database, of.label)),
    expired: async () => {
      const found: ExpiredManifest[] = [];
      for await (const key of repository.keys(EXPIRED_PREFIX)) {
        const expired = expiredOfKey(key);
        if (expired?.database === database) found.push({ key, label: expired.label, atMs: expired.atMs });
      }
      return found;
    },
    readExpired: ({ key, label }) => readPutAside(repository, { key, formerKey: manifestKey(database, label), schema: manifestSchema }),
  };
}

async function readHolds(repository: Repository, database: string, wanted: string | undefined): Promise<Hold[]> {
  const holds: Hold[] = [];
  for await (const { key, label } of holdKeys(repository, database, wanted)) {
    const hold = await unlessUnreadable(readSealed(repository, key, holdSchema));
    if (hold === undefined) holds.push({ label, reason: `${key} can’t be read` });
    else holds.push({ label, reason: hold.reason, by: hold.by, untilMs: hold.untilMs });
  }
  return holds;
}

async function* holdKeys(
  repository: Repository,
  database: string,
  wanted: string | undefined,
): AsyncGenerator<{ key: string; label: string }> {
  const prefix = wanted === undefined ? '' : `${wanted}.`;
  for await (const key of repository.keys(`${holdsPrefix(database)}${prefix}`)) {
    const label = labelOfHoldKey(key);
    if (label !== undefined && (wanted === undefined || label === wanted)) yield { key, label };
  }
}
