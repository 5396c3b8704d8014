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
