import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { RstowError } from '../../core/errors/rstow-error.ts';

/** What a step met of the system that nobody nearer has named: trying it again for hours would not help. */
export function systemFailure(error: unknown): RstowError | undefined {
  if (!(error instanceof Error) || !('errno' in error) || !('syscall' in error)) return undefined;
  const path = 'path' in error && typeof error.path === 'string' ? ` ${error.path}` : '';
  // Node has no name for a used-up quota.
  switch (error.errno) {
    case -constants.errno.ENOSPC:
      return new RstowError('not-enough-space', `no space is left to write${path}`, { cause: error });
    case -constants.errno.EDQUOT:
      return new RstowError('not-enough-space', `the disk quota is used up, so nothing can be written${path}`, { cause: error });
    case -constants.errno.EMFILE:
    case -constants.errno.ENFILE:
      return new RstowError('open-files-exhausted', `no more files can be opened${path}: ${openFilesLimit()}`, { cause: error });
    default:
      return undefined;
  }
}

/** @see proc(5). The file is opened while none is left to open: another one may have been closed since. */
function openFilesLimit(): string {
  try {
    const limit = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return `the agent’s limit is ${limit ?? 'unknown'}`;
  } catch {
    return 'the agent’s limit is reached';
  }
}
