import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf } from './errno.ts';

const LINKS_UNSUPPORTED = ['EPERM', 'EXDEV', 'EROFS', 'EMLINK', 'ENOTSUP', 'EACCES'];

/** The outcome of a system call, or undefined where the thing it names is absent. */
export async function unlessAbsent<Outcome>(call: Promise<Outcome>): Promise<Outcome | undefined> {
  return orUndefined(call, ['ENOENT', 'ENOTDIR']);
}

/** The outcome of a system call, or undefined where it failed in one of the named ways. */
export async function orUndefined<Outcome>(call: Promise<Outcome>, errnos: readonly string[]): Promise<Outcome | undefined> {
  try {
    return await call;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || !errnos.includes(errno)) throw error;
    return undefined;
  }
}

/** Whether a hard link failed because none can be made there: another disk, or one that knows or permits no links. */
export function forbidsLinks(error: unknown): boolean {
  return LINKS_UNSUPPORTED.includes(errnoOf(error) ?? '');
}

/** What a failed write is told as: a full disk by its own code, anything else as it came. */
export function writeFailure(error: unknown, path: string): unknown {
  const errno = errnoOf(error);
  if (errno !== 'ENOSPC' && errno !== 'EDQUOT') return error;
  return new RstowError('not-enough-space', `no space left to write ${path}`, { details: { path }, cause: error });
}
