/** Where kills fell in the work that they were to interrupt. */
export type KillFalls = { before: number; within: number; after: number };

/** `whole`: what a run does that nobody kills. */
export function fallOf(done: number, whole: number): keyof KillFalls {
  if (done === 0) return 'before';
  return done < whole ? 'within' : 'after';
}
