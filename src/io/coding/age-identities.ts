import { createDecipheriv, scrypt } from 'node:crypto';
import { armor, Decrypter, type Identity, identityToRecipient, type Stanza } from 'age-encryption';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readSecretBytes, readSecretFile } from '../files/secret-file.ts';

/** What opens objects: secret keys, in memory only, and the recipients that they belong to. */
export type AgeIdentities = { secrets: readonly string[]; recipients: readonly string[] };

export type IdentityFiles = { identityFiles: readonly string[]; passphraseFile?: string | undefined };

const ARMOR = '-----BEGIN AGE ENCRYPTED FILE-----';
const BEGINNING = 'age-encryption.org/v1\n';

/**
 * Reads files as `age-keygen` writes them; one that `age -p` has encrypted is opened in memory by the passphrase.
 * Fails: invalid-config, naming the file and nothing of its content.
 */
export async function readAgeIdentities({ identityFiles, passphraseFile }: IdentityFiles): Promise<AgeIdentities> {
  const secrets: string[] = [];
  const recipients: string[] = [];
  for (const path of identityFiles) {
    for (const secret of secretsOf(path, await identityText(path, passphraseFile))) {
      secrets.push(secret);
      recipients.push(await recipientOf(path, secret));
    }
  }
  return { secrets, recipients };
}

async function identityText(path: string, passphraseFile: string | undefined): Promise<string> {
  const bytes = await readSecretBytes(path);
  const text = bytes.toString('latin1').trim();
  if (!text.startsWith(ARMOR) && !text.startsWith(BEGINNING)) return text;
  if (passphraseFile === undefined)
    throw invalid(path, 'is encrypted by a passphrase; name the file that holds it as identityPassphraseFile');
  const passphrase = await readSecretFile(passphraseFile);
  const decrypter = new Decrypter();
  const lock = passphraseLock(passphrase);
  decrypter.addIdentity(lock.identity);
  try {
    return await decrypter.decrypt(text.startsWith(ARMOR) ? armor.decode(text) : bytes, 'text');
  } catch {
    // What the library says may quote the text.
    throw invalid(path, lock.isOpen() ? 'is damaged or cut short' : `is not opened by the passphrase of ${passphraseFile}`);
  }
}

function secretsOf(path: string, text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  const secrets = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (secrets.length === 0) throw invalid(path, 'holds no identity');
  return secrets;
}

/** Only age's own keys: others, of SSH or of a plugin, are opened by programs that ask a person. */
async function recipientOf(path: string, secret: string): Promise<string> {
  if (secret.startsWith('AGE-SECRET-KEY-1')) {
    try {
      return await identityToRecipient(secret);
    } catch {
      // Said below, without what the library quotes.
    }
  }
  throw invalid(path, 'holds a line that is no identity of age, such as `age-keygen` makes');
}

/**
 * The library's own takes a second of the thread that everything else waits for; Node's scrypt has threads of its own.
 * @see https://c2sp.org/age#the-scrypt-recipient-type
 */
function passphraseLock(passphrase: string): { identity: Identity; isOpen: () => boolean } {
  let isOpen = false;
  const identity: Identity = {
    unwrapFileKey: async ([stanza, ...others]) => {
      const work = stanza === undefined || others.length > 0 ? undefined : workOf(stanza);
      if (stanza === undefined || work === undefined) return null;
      const fileKey = opened(stanza.body, await derivedKey(passphrase, work));
      isOpen = fileKey !== undefined;
      return fileKey ?? null;
    },
  };
  return { identity, isOpen: () => isOpen };
}

/** As much as `age` itself accepts. */
const LOG_N_MAX = 22;
const LABEL = 'age-encryption.org/v1/scrypt';

type Work = { salt: Buffer; logN: number };

function workOf({ args: [type, salt = '', logN = ''] }: Stanza): Work | undefined {
  if (type !== 'scrypt' || !/^[1-9][0-9]?$/.test(logN) || Number(logN) > LOG_N_MAX) return undefined;
  return { salt: Buffer.concat([Buffer.from(LABEL), Buffer.from(salt, 'base64')]), logN: Number(logN) };
}

function derivedKey(passphrase: string, { salt, logN }: Work): Promise<Buffer> {
  const costs = { N: 2 ** logN, r: 8, p: 1, maxmem: 2 ** (logN + 11) };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, costs, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

/** A file key behind a nonce of zeros. */
function opened(body: Uint8Array, key: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: 16 });
  decipher.setAuthTag(body.subarray(-16));
  try {
    return Buffer.concat([decipher.update(body.subarray(0, -16)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function invalid(path: string, what: string): RstowError {
  return new RstowError('invalid-config', `${path} ${what}`, { details: { path } });
}
