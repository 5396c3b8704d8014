import { open } from 'node:fs/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';

const MODE_BITS_OF_OTHERS = 0o007;
const MODE_BITS_OF_ALL_BUT_OWNER = 0o077;
const SECRET_SIZE_BYTES_MAX = 64 * 1024;

/**
 * The text of a file that holds a secret, without white space around it. Neither it nor a part of it ever enters an error.
 * Fails: as `readSecretBytes`.
 */
export async function readSecretFile(path: string, options: { isOwnersAlone?: boolean } = {}): Promise<string> {
  return (await readSecretBytes(path, options)).toString('utf8').trim();
}

/**
 * All that such a file holds, as it stands.
 * Fails: invalid-config if it can't be read, is empty or too large, or is open to every user of the host, or to anybody but
 * its owner if it is `isOwnersAlone`.
 */
export async function readSecretBytes(path: string, { isOwnersAlone = false } = {}): Promise<Buffer> {
  const { bytes, mode } = await readWithMode(path);
  if ((mode & (isOwnersAlone ? MODE_BITS_OF_ALL_BUT_OWNER : MODE_BITS_OF_OTHERS)) !== 0) {
    const modeText = (mode & 0o777).toString(8).padStart(4, '0');
    const why = isOwnersAlone ? 'open to others than its owner; make it 0600' : 'open to every user of this host; make it 0640 or stricter';
    throw new RstowError('invalid-config', `${path} is ${why}`, { details: { path, mode: modeText } });
  }
  if (bytes.toString('latin1').trim() === '') throw new RstowError('invalid-config', `${path} is empty`, { details: { path } });
  return bytes;
}

async function readWithMode(path: string): Promise<{ bytes: Buffer; mode: number }> {
  try {
    const file = await open(path, 'r');
    try {
      const { mode, size } = await file.stat();
      if (size > SECRET_SIZE_BYTES_MAX) throw new RstowError('invalid-config', `${path} is too large for a secret`, { details: { path } });
      return { bytes: await file.readFile(), mode };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof RstowError) throw error;
    throw new RstowError('invalid-config', `the secret file ${path} cannot be read`, { details: { path }, cause: error });
  }
}
