import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf, systemMessage } from '../files/errno.ts';
import { systemFailure } from '../files/system-failure.ts';

/** Turns a failed system call into an error of the table; our own errors, assertions and cancellation pass untouched. */
export function folderError(error: unknown, doing: string, root: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  // The agent's own limit, and no fault of the folder's.
  if (errno === 'EMFILE' || errno === 'ENFILE') return systemFailure(error) ?? error;
  const code = errno === 'ENOSPC' || errno === 'EDQUOT' ? 'not-enough-space' : 'repository-unavailable';
  const sentence = `folder ${root}: could not ${doing}: ${systemMessage(error as Error)}`;
  return new RstowError(code, sentence, { details: { repository: root, doing, errno }, cause: error });
}

/** A link could lead a key out of the root, to files that are none of ours. */
export function notOrdinary(path: string): RstowError {
  const sentence = `${path} is not an ordinary file or folder; a repository must not contain symbolic links`;
  return new RstowError('repository-unsupported', sentence, { details: { path } });
}
