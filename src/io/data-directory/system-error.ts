/** The system's name of a failure (`ENOENT`), or undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

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
