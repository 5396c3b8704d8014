import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { Binding } from '../io/agent-state/installation-binding.ts';

/**
 * How an agent calls itself to Temporal: for people first, then which boot of which machine it runs on, and since when,
 * so that two agents of one installation are told apart from one that was started again.
 */
export function pollerIdentity(agent: string, binding: Binding, startedAtMs: number): string {
  const { machineId = '', productId = '', bootId = '', device, inode = '' } = binding;
  const host = createHash('sha256').update([machineId, productId, bootId, device, inode].join('\n')).digest('hex').slice(0, 12);
  return `${agent} (${process.pid}@${hostname()}) ${host}-${startedAtMs}`;
}

export type Incarnation = { host: string; startedAtMs: number };

/** Undefined for whoever calls itself otherwise. */
export function incarnationOf(identity: string): Incarnation | undefined {
  const [, host, startedAtMs] = / ([0-9a-f]{12})-([0-9]{1,16})$/.exec(identity) ?? [];
  return host === undefined ? undefined : { host, startedAtMs: Number(startedAtMs) };
}
