import type { EncryptionConfig } from '../../config/agent-config.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { keySetOf } from '../../core/repository/coded-name.ts';
import type { KeySet } from '../../formats/repository/key-set.ts';
import { type Access, type ObjectCipher, once } from './cipher.ts';
import { gpgCipher } from './gpg-cipher.ts';
import type { Coding } from './port.ts';
import { zstdCoding } from './zstd.ts';

/** Where a repository says which keys open what. */
export type KeySets = {
  /** Undefined if nothing readable is there. */
  read: (keySet: string) => Promise<KeySet | undefined>;
  /** Twice: the first one stays. */
  put: (keySet: string, what: KeySet) => Promise<void>;
};

export type EncryptedRepository = {
  /** As the config calls it. */
  name: string;
  id: string;
  keySets: KeySets;
  /** By which everything is stored; absent: plainly. */
  encryption?: EncryptionConfig | undefined;
  /** Opens what was stored by another one. */
  formerEncryption?: EncryptionConfig | undefined;
};

/**
 * How objects of a repository are compressed and then encrypted, and opened by whatever keys are here: each says by its name which it needs,
 * and may be unencrypted, from before. A host that has none stores as any other. Fails: invalid-config.
 */
export async function openCoding({ name, id, keySets, encryption, formerEncryption }: EncryptedRepository): Promise<Coding> {
  const own = encryption && (await cipherOf(encryption, id));
  const former = formerEncryption && (await cipherOf(formerEncryption, id));
  const ciphers = [own, former].filter((cipher) => cipher !== undefined);
  const knownOf = remembered(ciphers, keySets);
  const openers = ciphers.map((cipher) => ({ cipher, access: accessBy(cipher, { name, knownOf }) }));
  return {
    ...(own === undefined ? zstdCoding : encoding(own, keySets)),
    decode: (key, expectedSizeBytes) => {
      const stages = zstdCoding.decode(plainName(key), expectedSizeBytes);
      if (keySetOf(key) === undefined) return stages;
      const { cipher, access } = openerOf(openers, key);
      return [...cipher.decrypt(key, () => access(key)), ...stages];
    },
    requireKey: async (key) => {
      if (keySetOf(key) !== undefined) await openerOf(openers, key).access(key);
    },
  };
}

async function cipherOf(encryption: EncryptionConfig, id: string): Promise<ObjectCipher> {
  if (encryption.kind === 'gpg') return gpgCipher(encryption, id);
  // Loaded here only: age's library takes a tenth of a second that no other command has.
  const { ageCipher } = await import('./age-cipher.ts');
  return ageCipher(encryption);
}

/** The repository says of a key set what it is before anything lies under it. */
function encoding(cipher: ObjectCipher, keySets: KeySets): Coding {
  const { keySet, what } = cipher.current;
  const announced = once(async () => {
    if ((await keySets.read(keySet)) === undefined) await keySets.put(keySet, what);
  });
  return {
    ...zstdCoding,
    suffix: `.zst.${keySet}.${cipher.cipher}`,
    announce: announced,
    encode: (expectedSizeBytes) => [...zstdCoding.encode(expectedSizeBytes), cipher.encrypt(announced)],
  };
}

type Opener = { cipher: ObjectCipher; access: (key: string) => Promise<Access> };

/** By the key set, if it is that of a section; else by the kind. There is one at least. */
function openerOf(openers: readonly Opener[], key: string): Opener {
  const wanted = keySetOf(key);
  const ofSet = openers.find(({ cipher }) => cipher.current.keySet === wanted?.keySet);
  const ofKind = openers.find(({ cipher }) => cipher.cipher === wanted?.cipher);
  return ofSet ?? ofKind ?? (openers[0] as Opener);
}

/** Of the object without its encryption. */
const plainName = (key: string): string => key.replace(/\.[0-9a-f]{8}\.(age|gpg)$/, '');

/** What is known of a set, asked once: an object says it for ever. */
function remembered(ciphers: readonly ObjectCipher[], { read }: KeySets): (wanted: string) => Promise<KeySet | undefined> {
  const known = new Map(ciphers.map(({ current: { keySet, what } }) => [keySet, what]));
  return async (wanted) => {
    const found = known.get(wanted) ?? (await read(wanted));
    if (found !== undefined) known.set(wanted, found);
    return found;
  };
}

type Known = { name: string; knownOf: (keySet: string) => Promise<KeySet | undefined> };

/** Fails: wrong-key. */
function accessBy(cipher: ObjectCipher, { name, knownOf }: Known): (key: string) => Promise<Access> {
  return async (key) => {
    const { keySet, cipher: used } = keySetOf(key) as NonNullable<ReturnType<typeof keySetOf>>;
    const known = await knownOf(keySet);
    const wrongKey = lockedError({ key, keySet, used, known, repository: name, advice: cipher.advice });
    const isHeld = used === cipher.cipher && (known?.cipher ?? used) === used ? await cipher.holds(keySet, known) : false;
    if (isHeld === false) throw wrongKey;
    return { keySet, wrongKey: isHeld === true ? undefined : wrongKey };
  };
}

type Locked = { key: string; keySet: string; used: string; known: KeySet | undefined; repository: string; advice: string };

function lockedError({ key, keySet, used, known, repository, advice }: Locked): RstowError {
  const recipients = known?.recipients ?? [];
  const whose = known?.by === 'passphrase' ? ', by a passphrase' : recipients.length === 0 ? '' : `, of ${recipients.join(', ')}`;
  const sentence = `${key} is encrypted by ${used} for the key set ${keySet}${whose}, and no key of it is on this host`;
  return new RstowError('wrong-key', `${sentence}: repositories.${repository}.encryption.${advice} would name it`, {
    details: { key, keySet, recipients, repository },
  });
}
