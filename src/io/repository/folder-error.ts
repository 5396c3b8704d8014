import { constants } from 'node:os';
import { RstowError } from '../../core/errors/rstow-error.ts';

/** The system's name of a failure (`ENOENT`), or undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  // The one that matters here and has no name in Node.
  if ('errno' in error && error.errno === -constants.errno.EDQUOT) return 'EDQUOT';
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Turns a failed system call into an error of the table; our own errors, assertions and cancellation pass untouched. */
export function folderError(error: unknown, doing: string, root: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  const code = errno === 'ENOSPC' || errno === 'EDQUOT' ? 'not-enough-space' : 'repository-unavailable';
  const sentence = `folder ${root}: could not ${doing}: ${(error as Error).message}`;
  return new RstowError(code, sentence, { details: { repository: root, doing, errno }, cause: error });
}

/** A link could lead a key out of the root, to files that are none of ours. */
export function notOrdinary(path: string): RstowError {
  const sentence = `${path} is not an ordinary file or folder; a repository must not contain symbolic links`;
  return new RstowError('repository-unsupported', sentence, { details: { path } });
}
