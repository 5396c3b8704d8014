import type { Notice } from './notice.ts';

/** A notice, and the targets that have not had it yet. */
export type Pending = { notice: Notice; targets: string[] };

/** So many wait at most: if a target is away for longer, the oldest are given up. */
const NOTICES_MAX = 200;

export type Filled = { outbox: Pending[]; /** How many were given up. */ dropped: number };

export function withNotice(outbox: readonly Pending[], notice: Notice, targets: readonly string[]): Filled {
  if (targets.length === 0) return { outbox: [...outbox], dropped: 0 };
  const filled = [...outbox, { notice, targets: [...targets] }];
  const dropped = Math.max(0, filled.length - NOTICES_MAX);
  return { outbox: filled.slice(dropped), dropped };
}

/** The oldest that the target has not had. */
export function nextFor(outbox: readonly Pending[], target: string): Notice | undefined {
  return outbox.find(({ targets }) => targets.includes(target))?.notice;
}

/** Twice: no-op. */
export function withoutDelivered(outbox: readonly Pending[], { id, target }: { id: string; target: string }): Pending[] {
  return outbox
    .map((pending) => (pending.notice.id === id ? { ...pending, targets: pending.targets.filter((name) => name !== target) } : pending))
    .filter(({ targets }) => targets.length > 0);
}

/** Targets that the config names no more get nothing. */
export function onlyFor(outbox: readonly Pending[], known: readonly string[]): Pending[] {
  return outbox
    .map((pending) => ({ ...pending, targets: pending.targets.filter((name) => known.includes(name)) }))
    .filter(({ targets }) => targets.length > 0);
}
