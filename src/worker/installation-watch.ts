import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Logger } from './agent-logger.ts';
import type { Poller } from './installation-pollers.ts';
import { incarnationOf } from './poller-identity.ts';
import { startRepeatingTask } from './repeating-task.ts';

export type InstallationWatch = {
  installationId: string;
  /** As this agent calls itself to Temporal. */
  identity: string;
  pollers: () => Promise<Poller[]>;
  /** Fails: installation-cloned. */
  requireInstallation: () => Promise<void>;
  logger: Logger;
  signal: AbortSignal;
};

/** An idle agent begins a new poll within this time. */
const POLL_MS = 70_000;
const LOOK_MS = 2_000;
const INTERVAL_MS = 30_000;

/**
 * Waits until no other machine's agent polls as this installation. One that was seen and falls silent was this host's
 * own, before it was started again. Fails: installation-cloned.
 */
export async function requireAlone(watch: InstallationWatch, waitMs = POLL_MS): Promise<void> {
  const { logger, signal } = watch;
  const first = await foreignPollers(watch);
  if (first.length === 0) return;
  logger.info(
    { seen: first.map(({ identity }) => identity) },
    'another machine’s agent of this installation was seen: waiting whether it is alive',
  );
  const untilMs = performance.now() + waitMs;
  while (performance.now() < untilMs) {
    await sleep(LOOK_MS, undefined, { signal });
    const alive = aliveSince(first, await foreignPollers(watch));
    if (alive !== undefined) throw twin(watch, alive);
  }
}

/** `failed` rejects when the state directory turns out to be a copy, or an agent of another machine that began earlier polls as well. */
export function startInstallationWatch(
  watch: InstallationWatch,
  intervalMs = INTERVAL_MS,
): { failed: Promise<never>; ended: Promise<void> } {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  let before: Poller[] | undefined;
  const pass = async (): Promise<void> => {
    await watch.requireInstallation().catch((error: unknown) => {
      // A directory that can't be read for a moment is logged, and looked at again.
      if (!(error instanceof RstowError) || error.code !== 'installation-cloned') throw error;
      reject(error);
    });
    const now = await foreignPollers(watch);
    const alive = before === undefined ? undefined : aliveSince(before, now);
    before = now;
    if (alive === undefined) return;
    if (startOf(alive.identity) <= startOf(watch.identity)) reject(twin(watch, alive));
    else watch.logger.error({ code: 'installation-cloned', twin: alive.identity }, 'another machine’s agent polls as this installation');
  };
  const { ended } = startRepeatingTask(pass, { what: 'looking for a twin', intervalMs, logger: watch.logger, signal: watch.signal });
  return { failed, ended };
}

/** None where Temporal doesn't tell: that must not keep a database from being served. */
async function foreignPollers({ identity, pollers, logger }: InstallationWatch): Promise<Poller[]> {
  const own = incarnationOf(identity)?.host;
  try {
    return (await pollers()).filter((poller) => {
      const host = incarnationOf(poller.identity)?.host;
      return host !== undefined && host !== own;
    });
  } catch (error) {
    logger.warn({ err: error }, 'Temporal does not say who else polls as this installation');
    return [];
  }
}

/** By Temporal's clock alone: one that has polled again in between. */
function aliveSince(before: readonly Poller[], now: readonly Poller[]): Poller | undefined {
  const seen = new Map(before.map(({ identity, lastAccessMs }) => [identity, lastAccessMs]));
  return now.find(({ identity, lastAccessMs }) => lastAccessMs > (seen.get(identity) ?? Number.POSITIVE_INFINITY));
}

function startOf(identity: string): number {
  return incarnationOf(identity)?.startedAtMs ?? 0;
}

function twin({ installationId }: InstallationWatch, { identity }: Poller): RstowError {
  const sentence = `another machine's agent, ${identity}, is at work as installation ${installationId}: one of the two was cloned`;
  return new RstowError('installation-cloned', sentence, { details: { installationId, identity } });
}
