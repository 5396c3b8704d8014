import type { FileHandle } from 'node:fs/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { gpgCommand } from '../process/gpg-command.ts';
import { commandOutput } from '../process/pipe-command.ts';

/** Files with keys, as the config names them; their content is read by age and gpg alone. */
export type ArchiveKeys = {
  ageIdentityFile?: string | undefined;
  gpgPassphraseFile?: string | undefined;
  /** GnuPG's folder; it wants one in any case. */
  gpgHome: string;
  /** Whether that is the config's, with keys of its own. */
  hasGpgHome: boolean;
};

type Encryption = 'age' | 'gpg';

const AGE = ['age-encryption.org/v1', '-----BEGIN AGE ENCRYPTED FILE-----'];
const GPG_ARMOR = '-----BEGIN PGP MESSAGE-----';

/** OpenPGP packets that begin an encrypted message: a session key by passphrase or by public key. @see RFC 4880 4.3 */
const GPG_TAGS = [0x84, 0x85, 0x86, 0x8c, 0x8d, 0xc1, 0xc3];

/** By its first bytes, whatever it is called. */
export function encryptionOf(path: string, head: Uint8Array): Encryption | undefined {
  const text = Buffer.from(head.subarray(0, 64)).toString('latin1');
  if (AGE.some((mark) => text.startsWith(mark))) return 'age';
  if (text.startsWith(GPG_ARMOR)) return 'gpg';
  return /\.(gpg|pgp)$/.test(path) && GPG_TAGS.includes(head[0] ?? 0) ? 'gpg' : undefined;
}

type Decrypting = { encryption: Encryption; keys: ArchiveKeys; signal: AbortSignal };

/** Fails: archive-locked, archive-truncated, archive-damaged. */
export async function* decrypted(
  file: { path: string; handle: FileHandle },
  { encryption, keys, signal }: Decrypting,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { path, handle } = file;
  let isOpen = false;
  const failure = (stderr: string): RstowError => {
    const said = stderr.split('\n').find((line) => /error|failed|bad|no /i.test(line)) ?? stderr;
    if (!isOpen) return locked(path, `the key of the agent’s config does not open ${path}: ${said}`);
    return new RstowError('archive-damaged', `${path} can’t be decrypted to its end: ${said}`, { details: { file: path } });
  };
  try {
    for await (const chunk of commandOutput(commandOf(encryption, path, keys), signal, { stdin: handle.fd, failure })) {
      isOpen = true;
      yield chunk;
    }
  } catch (error) {
    if (error instanceof RstowError && error.details['errno'] === 'ENOENT')
      throw locked(path, `${encryption} is not installed on this host`);
    throw error;
  }
}

/** Fails: archive-locked. */
function commandOf(encryption: Encryption, path: string, keys: ArchiveKeys): string[] {
  if (encryption === 'age') {
    if (keys.ageIdentityFile === undefined)
      throw locked(path, `${path} is encrypted by age, and the agent’s config names no ageIdentityFile`);
    return ['age', '-d', '-i', keys.ageIdentityFile];
  }
  if (keys.gpgPassphraseFile === undefined && !keys.hasGpgHome) {
    throw locked(path, `${path} is encrypted by gpg, and the agent’s config names neither gpgPassphraseFile nor gpgHome`);
  }
  const passphrase = keys.gpgPassphraseFile === undefined ? [] : ['--passphrase-file', keys.gpgPassphraseFile];
  // Only a secret key needs gpg's agent, which would outlive the import.
  const alone = keys.hasGpgHome ? [] : ['--no-autostart'];
  return [...gpgCommand(keys.gpgHome), ...alone, ...passphrase, '--decrypt'];
}

function locked(path: string, sentence: string): RstowError {
  return new RstowError('archive-locked', sentence, { details: { file: path } });
}
