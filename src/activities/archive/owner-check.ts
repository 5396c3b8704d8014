import { RstowError } from '../../core/errors/rstow-error.ts';
import type { FollowedLog } from './archived-log.ts';

/** Whether this installation may still store the log: another host may take the database over at any time. */
export type OwnerCheck = {
  /** Before something is stored. Fails: owner-outdated, installation-cloned; repository-unavailable, if nobody has answered for long. */
  require(): Promise<void>;
};

/**
 * The repositories are asked so often, and an answer counts for so long: a process that was frozen meanwhile asks before it stores anything.
 * What a former owner stores until then lies on a timeline that nobody goes on with.
 */
const PACE = { askedMs: 5_000, answerMs: 20_000 };

/** Where calls cost. */
const SLOW_PACE = { askedMs: 60_000, answerMs: 90_000 };

const FORBIDS: readonly string[] = ['owner-outdated', 'installation-cloned'];

/** The owner was just asked for. It is asked again beside the work, which waits only if no answer comes. */
export function createOwnerCheck({ deps, store }: Pick<FollowedLog, 'deps' | 'store'>): OwnerCheck {
  const { askedMs, answerMs } = store.callsCost ? SLOW_PACE : PACE;
  let answeredAtMs = Date.now();
  let asking: Promise<void> | undefined;
  let refusal: RstowError | undefined;
  // A clock that was set back makes no answer younger.
  const ageMs = (): number => Math.abs(Date.now() - answeredAtMs);
  const ask = async (): Promise<void> => {
    const askedAtMs = Date.now();
    try {
      await store.owner.require();
      answeredAtMs = askedAtMs;
    } catch (error) {
      if (error instanceof RstowError && FORBIDS.includes(error.code)) refusal = error;
      else if (ageMs() > answerMs) throw error;
    } finally {
      asking = undefined;
    }
  };
  return {
    require: async () => {
      await deps.requireInstallation();
      if (ageMs() > askedMs) asking ??= ask();
      if (ageMs() > answerMs) await asking;
      // Whoever doesn't wait hears of it at the next look.
      else asking?.catch(() => undefined);
      if (refusal !== undefined) throw refusal;
    },
  };
}
