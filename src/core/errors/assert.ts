/** A promise that our own code broke. Never retried: the same input would break it again. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Stops on a broken promise of our own; damage that comes from outside is a value, never an assertion. */
export function assert(holds: boolean, promise: string): asserts holds {
  if (!holds) throw new AssertionError(`broken promise: ${promise}`);
}

/** Closes a switch over a union: a new member is then a compile error. */
export function unreachable(value: never): never {
  throw new AssertionError(`broken promise: ${JSON.stringify(value)} is not a member of its union`);
}
