import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { AgentIdentity } from '../activities/activity-deps.ts';
import type { Binding } from '../io/agent-state/installation.ts';

/**
 * How an agent calls itself to Temporal: for people first, then its installation, which boot of which machine it runs on,
 * and since when, so that two agents of one installation are told apart from one that was started again.
 */
export function pollerIdentity({ name, installationId }: AgentIdentity, binding: Binding, startedAtMs: number): string {
  const { machineId = '', productId = '', bootId = '', device, inode = '' } = binding;
  const host = createHash('sha256').update([machineId, productId, bootId, device, inode].join('\n')).digest('hex').slice(0, 12);
  return `${name} (${process.pid}@${hostname()}) ${installationId} ${host}-${startedAtMs}`;
}

export type Incarnation = { installationId: string; host: string; startedAtMs: number };

/** Undefined for whoever calls itself otherwise. */
export function incarnationOf(identity: string): Incarnation | undefined {
  const [, installationId, host, startedAtMs] = / ([0-9a-f-]{36}) ([0-9a-f]{12})-([0-9]{1,16})$/.exec(identity) ?? [];
  if (installationId === undefined || host === undefined) return undefined;
  return { installationId, host, startedAtMs: Number(startedAtMs) };
}
