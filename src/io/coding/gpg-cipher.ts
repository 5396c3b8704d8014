import type { EncryptionConfig } from '../../config/agent-config.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { KeySet } from '../../formats/repository/key-set.ts';
import { readSecretBytes } from '../files/secret-file.ts';
import { type ObjectCipher, once } from './cipher.ts';
import { createGpgDecryptor, createGpgEncryptor, type GpgKeys, type GpgTarget, secretKeysOf } from './gpg.ts';
import { keySetOfPassphrase, keySetOfRecipients } from './key-sets.ts';

type GpgConfig = Extract<EncryptionConfig, { kind: 'gpg' }>;

/** Fails: invalid-config, if its passphrase can't be read. */
export async function gpgCipher(settings: GpgConfig, repositoryId: string): Promise<ObjectCipher> {
  const { passphraseFile, formerPassphraseFiles, recipients = [], home } = settings;
  const own = passphraseFile === undefined ? undefined : await namedPassphrase(passphraseFile, repositoryId);
  const former = once(() => Promise.all(formerPassphraseFiles.map((path) => namedPassphrase(path, repositoryId))));
  const fingerprints = [...new Set(recipients.map((fingerprint) => fingerprint.toUpperCase()))];
  const secretKeys = once(async () => (home === undefined ? [] : secretKeysOf(home)));
  const passphraseOf = async (keySet: string): Promise<string | undefined> =>
    keySet === own?.keySet ? own.passphrase : (await former()).find((other) => other.keySet === keySet)?.passphrase;
  const { current, target } = own === undefined ? forRecipients(fingerprints, home ?? '') : byPassphrase(own);
  return {
    cipher: 'gpg',
    current,
    advice: home === undefined ? 'passphraseFile or formerPassphraseFiles' : 'home',
    holds: async (keySet, known) => {
      if ((await passphraseOf(keySet)) !== undefined) return true;
      const secret = known?.by === 'passphrase' ? [] : await secretKeys();
      return secret.length === 0 ? false : known?.recipients.some((recipient) => secret.includes(recipient));
    },
    encrypt: (before) => createGpgEncryptor(() => before().then(() => target)),
    decrypt: (key, access) => [
      createGpgDecryptor(key, async () => {
        const { keySet, wrongKey } = await access();
        const passphrase = await passphraseOf(keySet);
        // What is held by no passphrase is held by the home.
        const keys: GpgKeys = passphrase === undefined ? { kind: 'home', home: home ?? '' } : { kind: 'passphrase', passphrase };
        return { keys, wrongKey };
      }),
    ],
  };
}

type Own = { current: ObjectCipher['current']; target: GpgTarget };

function forRecipients(recipients: readonly string[], home: string): Own {
  const what: KeySet = { format: 1, cipher: 'gpg', by: 'recipients', recipients: [...recipients] };
  return { current: { keySet: keySetOfRecipients(recipients), what }, target: { kind: 'home', home, recipients } };
}

function byPassphrase({ keySet, passphrase }: NamedPassphrase): Own {
  const what: KeySet = { format: 1, cipher: 'gpg', by: 'passphrase', recipients: [] };
  return { current: { keySet, what }, target: { kind: 'passphrase', passphrase } };
}

/** What can be guessed protects nothing: everybody who gets an object may try as often as they like. */
const PASSPHRASE_LENGTH_MIN = 16;

type NamedPassphrase = { keySet: string; passphrase: string };

/** Its first line, as gpg itself takes it from a file. Fails: invalid-config. */
async function namedPassphrase(path: string, repositoryId: string): Promise<NamedPassphrase> {
  const [passphrase = ''] = (await readSecretBytes(path)).toString('utf8').split('\n');
  const fault =
    passphrase.length < PASSPHRASE_LENGTH_MIN
      ? `holds a passphrase of less than ${PASSPHRASE_LENGTH_MIN} characters; make one with \`openssl rand -base64 32\``
      : passphrase !== passphrase.trim()
        ? 'holds a passphrase with white space around it, such as an editor of another system leaves'
        : undefined;
  if (fault !== undefined) throw new RstowError('invalid-config', `${path} ${fault}`, { details: { path } });
  return { keySet: await keySetOfPassphrase(passphrase, repositoryId), passphrase };
}
