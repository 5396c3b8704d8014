import { open } from 'node:fs/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';

const MODE_BITS_OF_OTHERS = 0o007;
const MODE_BITS_OF_ALL_BUT_OWNER = 0o077;
const SECRET_SIZE_BYTES_MAX = 64 * 1024;

/**
 * The text of a file that holds a secret. Neither it nor a part of it ever enters an error.
 * Fails: invalid-config where it can't be read, is empty or too large, or is open to every user of the host, or to
 * anybody but its owner where it is `isOwnersAlone`.
 */
export async function readSecretFile(path: string, { isOwnersAlone = false } = {}): Promise<string> {
  const { text, mode } = await readWithMode(path);
  if ((mode & (isOwnersAlone ? MODE_BITS_OF_ALL_BUT_OWNER : MODE_BITS_OF_OTHERS)) !== 0) {
    const modeText = (mode & 0o777).toString(8).padStart(4, '0');
    const why = isOwnersAlone ? 'open to others than its owner; make it 0600' : 'open to every user of this host; make it 0640 or stricter';
    throw new RstowError('invalid-config', `${path} is ${why}`, { details: { path, mode: modeText } });
  }
  if (text.trim() === '') throw new RstowError('invalid-config', `${path} is empty`, { details: { path } });
  return text.trim();
}

async function readWithMode(path: string): Promise<{ text: string; mode: number }> {
  try {
    const file = await open(path, 'r');
    try {
      const { mode, size } = await file.stat();
      if (size > SECRET_SIZE_BYTES_MAX) throw new RstowError('invalid-config', `${path} is too large for a secret`, { details: { path } });
      return { text: await file.readFile('utf8'), mode };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof RstowError) throw error;
    throw new RstowError('invalid-config', `the secret file ${path} cannot be read`, { details: { path }, cause: error });
  }
}
