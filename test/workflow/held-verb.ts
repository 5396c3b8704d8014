import { Context } from '@temporalio/activity';

/** A verb that waits: it tells when it has been reached, and goes on when it is let go, or ends when it is cancelled. */
export type HeldVerb = { verb: () => Promise<never>; reached: Promise<undefined>; letGo: () => void };

/** `answer` is what the verb gives once it is let go. */
export function holdVerb(answer: unknown): HeldVerb {
  const reached = Promise.withResolvers<undefined>();
  const gate = Promise.withResolvers<undefined>();
  const verb = async (): Promise<never> => {
    reached.resolve(undefined);
    await Promise.race([gate.promise, Context.current().cancelled]);
    return answer as never;
  };
  return { verb, reached: reached.promise, letGo: () => gate.resolve(undefined) };
}
