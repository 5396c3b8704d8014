/** Codings of hosts with old keys, with new ones, and with both, by age. */
import { openCoding } from '../../../src/io/coding/open.ts';
import type { Coding } from '../../../src/io/coding/port.ts';
import { type AgeKey, newAgeKey, secretFolder } from '../../support/encryption-keys.ts';

export type AgeKeys = {
  older: Coding;
  newer: Coding;
  /** Stores under the new keys, and opens both. */
  rotating: Coding;
  /** Stores under the new keys, and opens nothing. */
  blind: Coding;
  /** Encrypts nothing, and opens what lies under the old keys. */
  opening: Coding;
};

export async function ageKeys(): Promise<AgeKeys> {
  const folder = await secretFolder();
  const [oldKey, newKey] = [await newAgeKey(folder), await newAgeKey(folder)];
  return {
    older: await codingOf(oldKey, [oldKey]),
    newer: await codingOf(newKey, [newKey]),
    rotating: await codingOf(newKey, [oldKey, newKey]),
    blind: await codingOf(newKey, []),
    opening: await openCoding({ ...REPOSITORY, formerEncryption: encryptionBy(oldKey, [oldKey]) }),
  };
}

/** What the repository says of its key sets is no matter here. */
const keySets = { read: async () => Promise.resolve(undefined), put: async () => Promise.resolve() };

function codingOf(key: AgeKey, held: readonly AgeKey[]): Promise<Coding> {
  return openCoding({ ...REPOSITORY, encryption: encryptionBy(key, held) });
}

const REPOSITORY = { name: 'local', id: 'b6f0a3de-0000-4000-8000-000000000000', keySets };

const encryptionBy = ({ recipient }: AgeKey, held: readonly AgeKey[]) => ({
  kind: 'age' as const,
  recipients: [recipient],
  identityFiles: held.map(({ file }) => file),
});
