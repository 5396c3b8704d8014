import { readdir } from 'node:fs/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf, unlessAbsent } from './system-error.ts';

/** Whether a restore may fill the path: it doesn't exist, or holds nothing but what an earlier attempt staged there. */
export async function isEmptyFolder(path: string): Promise<boolean> {
  try {
    const names = await unlessAbsent(readdir(path));
    return (names ?? []).every((name) => name === '.rstow');
  } catch (error) {
    if (errnoOf(error) !== 'ENOTDIR') throw error;
    throw new RstowError('target-not-empty', `${path} is a file`, { details: { path }, cause: error });
  }
}
