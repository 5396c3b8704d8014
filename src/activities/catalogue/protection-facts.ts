import type { BackupKind } from '../../core/backup/label.ts';
import type { TestName } from '../../core/repository/object-keys.ts';
import { unlessUnreadable } from '../../io/repository/sealed-object.ts';
import type { Store } from '../../store/store.ts';
import type { EventFact } from '../activity-deps.ts';
import { checkedOf } from './checked.ts';
import { describeHistory } from './describe-history.ts';

/** The newest backup of the history in use that was made in one way. */
export type NewestOfKind = { backupKind: string; label: string; writtenAtMs: number; durationMs: number; sizeBytes: number };

/** What one repository says of how a database is protected. Times are Unix ms. */
export type ProtectionFacts = {
  /** One for each way that backups of the database are made in. */
  newest: NewestOfKind[];
  /**
   * When the oldest backup was written that no check covers: neither it nor a later one of the history in use was verified or tested, and has
   * failed no check since. Null if there is none.
   */
  unverifiedSinceMs: number | null;
  /** The newest recovery test that held. */
  tested: { atMs: number; rtoMs: number } | null;
  /** Null if nobody can say. */
  freeBytes: number | null;
  /** How long the time is of which any moment can be had; null if there is no backup. */
  windowMs: number | null;
  /** Parts of the log that are missing for good. */
  holes: number;
};

/** As the agent's watch records it; @see Events */
export type ProtectionRead = EventFact & ProtectionFacts & { database: string; repository: string };

/** What a backup is called after; an import and what a restore stores on its way are no backups that somebody waits for. */
const WAYS: Partial<Record<BackupKind, string>> = { hot: 'hot', cold: 'cold', lvm: 'snapshot', zfs: 'snapshot' };

const KIND = /-([a-z]+)(?:-[0-9]+)?$/;

/** How it was made, by its label: `hot`, `cold` or `snapshot`; undefined for any other. */
export function wayOf(label: string): string | undefined {
  return WAYS[(KIND.exec(label)?.[1] ?? '') as BackupKind];
}

/** By listings, and few objects. Fails: repository-unavailable. */
export async function readProtection(store: Store): Promise<ProtectionFacts> {
  const { window } = await describeHistory(store);
  const times = window?.times ?? null;
  const spanMs = times === null ? null : (window?.archive?.seenMs ?? times.untilMs) - times.sinceMs;
  return {
    newest: await newestOfKinds(store),
    unverifiedSinceMs: await unverifiedSince(store),
    tested: await newestHeldTest(store),
    freeBytes: (await store.freeBytes()) ?? null,
    windowMs: spanMs === null ? null : Math.max(0, spanMs),
    holes: window?.holes.length ?? 0,
  };
}

async function newestOfKinds(store: Store): Promise<NewestOfKind[]> {
  const byWay = new Map<string, string>();
  const { backups } = await store.backups.history();
  const own = backups.filter(({ isInUse }) => isInUse);
  for (const { label } of own.sort((one, other) => other.writtenAtMs - one.writtenAtMs)) {
    const way = wayOf(label);
    if (way !== undefined && !byWay.has(way)) byWay.set(way, label);
  }
  const newest: NewestOfKind[] = [];
  for (const [backupKind, label] of byWay) {
    const manifest = await store.backups.readable(label);
    if (manifest === undefined) continue;
    const { createdAtMs, writtenAtMs, segments } = manifest;
    const sizeBytes = segments.reduce((sum, { ranges }) => sum + Math.max(0, ...ranges.map(({ endBytes }) => endBytes)), 0);
    newest.push({ backupKind, label, writtenAtMs, durationMs: Math.max(0, writtenAtMs - createdAtMs), sizeBytes });
  }
  return newest;
}

/** A later backup has all that an earlier one of its history has. */
async function unverifiedSince(store: Store): Promise<number | null> {
  const facts = await store.facts.byLabel();
  let since: number | null = null;
  const { backups } = await store.backups.history();
  for (const { label, isInUse, isImported, writtenAtMs } of backups) {
    if (!isInUse || isImported) continue;
    const { hasHeld, hasFailed } = await checkedOf(store, facts.get(label) ?? []);
    if (hasHeld && !hasFailed) return since;
    since = since === null ? writtenAtMs : Math.min(since, writtenAtMs);
  }
  return since;
}

async function newestHeldTest(store: Store): Promise<ProtectionFacts['tested']> {
  const names = [...(await store.facts.byLabel()).values()].flat();
  const tests = names.filter((name): name is TestName => name.kind === 'test' && name.outcome !== 'failed');
  for (const name of tests.sort((one, other) => other.atMs - one.atMs).slice(0, 1)) {
    const test = await unlessUnreadable(store.facts.test(name));
    if (test !== undefined) return { atMs: test.atMs, rtoMs: test.rtoMs ?? 0 };
  }
  return null;
}
