import { setTimeout as sleep } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { startRepeatingTask } from './repeating-task.ts';
import type { AgentIdentity } from '../../activities/activity-deps.ts';
import type { Binding } from '../../formats/agent-state.ts';
import { WORKFLOW_QUEUE } from '../../contract/names.ts';
import type { TemporalConnection } from '../temporal/connection.ts';
import type { Owner } from '../../formats/repository/history.ts';

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

/** None if Temporal doesn't say: that must not keep a database from being served. */
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

/**
 * How an agent calls itself to Temporal: for people first, then its installation, which boot of which machine it runs on,
 * and since when, so that two agents of one installation are told apart from one that was started again.
 */
export function pollerIdentity({ name, installationId }: AgentIdentity, binding: Binding, startedAtMs: number): string {
  const { machineId = '', productId = '', bootId = '', device, inode = '' } = binding;
  const host = createHash('sha256').update([machineId, productId, bootId, device, inode].join('\n')).digest('hex').slice(0, 12);
  return `${name} (${process.pid}@${hostname()}) ${installationId} ${host}-${startedAtMs}`;
}

type Incarnation = { installationId: string; host: string; startedAtMs: number };

/** Undefined for whoever calls itself otherwise. */
export function incarnationOf(identity: string): Incarnation | undefined {
  const [, installationId, host, startedAtMs] = / ([0-9a-f-]{36}) ([0-9a-f]{12})-([0-9]{1,16})$/.exec(identity) ?? [];
  if (installationId === undefined || host === undefined) return undefined;
  return { installationId, host, startedAtMs: Number(startedAtMs) };
}

/** temporal.api.enums.v1.TaskQueueType */
const WORKFLOWS = 1;

/** Who polls for an installation, as each calls itself; a poller is remembered for some minutes. */
export type Poller = { identity: string; /** When its last poll began, by Temporal's clock (Unix ms). */ lastAccessMs: number };

/** Asked on the one queue that agents of every contract poll. */
export async function pollersOf({ connection, namespace }: TemporalConnection, installationId: string): Promise<Poller[]> {
  const request: object = { namespace, taskQueue: { name: WORKFLOW_QUEUE }, taskQueueType: WORKFLOWS };
  const { pollers } = await connection.workflowService.describeTaskQueue(request);
  return pollers
    .map(({ identity, lastAccessTime }) => ({
      identity: identity ?? '',
      lastAccessMs: Number(lastAccessTime?.seconds ?? 0) * 1000 + Math.floor((lastAccessTime?.nanos ?? 0) / 1_000_000),
    }))
    .filter(({ identity }) => incarnationOf(identity)?.installationId === installationId);
}

/** A poll lasts a minute; a poller is remembered for some more. */
const SEEN_MS = 75_000;

/** Whether an agent of that very installation was seen at this Temporal within the last minute or so. */
export async function isInstallationPolling(temporal: TemporalConnection, { installationId }: Owner): Promise<boolean> {
  const pollers = await pollersOf(temporal, installationId);
  return pollers.some(({ lastAccessMs }) => Date.now() - lastAccessMs < SEEN_MS);
}
