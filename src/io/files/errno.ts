import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { RstowError } from '../../core/errors/rstow-error.ts';

/**
 * What file systems say and Node has no name for: it calls them all `Unknown system error`.
 * @see errno(3), the numbers of Linux
 */
const NAMELESS: Readonly<Record<number, { name: string; text: string }>> = {
  35: { name: 'EDEADLK', text: 'resource deadlock avoided' },
  37: { name: 'ENOLCK', text: 'no locks available' },
  62: { name: 'ETIME', text: 'timer expired' },
  67: { name: 'ENOLINK', text: 'link has been severed' },
  70: { name: 'ECOMM', text: 'communication error on send' },
  74: { name: 'EBADMSG', text: 'bad checksum or message' },
  116: { name: 'ESTALE', text: 'stale file handle' },
  117: { name: 'EUCLEAN', text: 'the file system is damaged' },
  122: { name: 'EDQUOT', text: 'disk quota exceeded' },
  123: { name: 'ENOMEDIUM', text: 'no medium found' },
  124: { name: 'EMEDIUMTYPE', text: 'wrong medium type' },
  126: { name: 'ENOKEY', text: 'the encryption key is not available' },
  127: { name: 'EKEYEXPIRED', text: 'the key has expired' },
  128: { name: 'EKEYREVOKED', text: 'the key has been revoked' },
  129: { name: 'EKEYREJECTED', text: 'the key was rejected' },
  133: { name: 'EHWPOISON', text: 'the memory page has a hardware error' },
};

/** The bytes can't be had, however often they are asked for: a bad sector, a bad checksum, a damaged file system. */
const UNREADABLE = ['EIO', 'EBADMSG', 'EUCLEAN', 'EHWPOISON', 'EILSEQ', 'ENODATA', 'EREMOTEIO'];

/** The system's name of a failure (`ENOENT`), or undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  const nameless = namelessOf(error);
  if (nameless !== undefined) return nameless.name;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The error's message, with the name and the words that Node lacks. */
export function systemMessage(error: Error): string {
  const nameless = namelessOf(error);
  if (nameless === undefined) return error.message;
  return error.message.replace(/Unknown system error -\d+: Unknown system error -\d+/, `${nameless.name}: ${nameless.text}`);
}

/** Whether a file failed to be read because its disk can't give its bytes. */
export function isUnreadable(error: unknown): boolean {
  return UNREADABLE.includes(errnoOf(error) ?? '');
}

function namelessOf(error: Error): { name: string; text: string } | undefined {
  return 'errno' in error && typeof error.errno === 'number' ? NAMELESS[-error.errno] : undefined;
}

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

/** What a failed write is reported as: a full disk by its own code, anything else as it came. */
export function writeFailure(error: unknown, path: string): unknown {
  const errno = errnoOf(error);
  if (errno !== 'ENOSPC' && errno !== 'EDQUOT') return error;
  return new RstowError('not-enough-space', `no space left to write ${path}`, { details: { path }, cause: error });
}

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
