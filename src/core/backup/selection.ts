import { assert, RstowError } from '../errors/rstow-error.ts';
import type { PlacedBackup } from './history.ts';
import type { Extent, SegmentId } from '../wal/wal-offset.ts';

const NAMED_MAX = 5;

/** All backups that can be named, the newest first; those that are not in use or have no place are never `latest`. */
export type Selectable = readonly (Pick<PlacedBackup, 'label' | 'isInUse'> & { isImported?: boolean })[];

/** The label that a person means: `latest`, a whole label, or a unique beginning. Fails: backup-not-found, with the nearest candidates. */
export function selectBackup(backups: Selectable, wanted: string): string {
  if (wanted === 'latest') return latestLabel(backups);
  const labels = backups.map(({ label }) => label);
  if (labels.includes(wanted)) return wanted;
  const matches = labels.filter((label) => label.startsWith(wanted));
  const [only] = matches;
  if (only !== undefined && matches.length === 1) return only;
  if (matches.length > 1) {
    return refuse(`"${wanted}" is the beginning of ${matches.length} backups; the newest are ${named(matches)}`, matches);
  }
  if (labels.length === 0) return refuse(`no backup is called "${wanted}"; there is none yet`, []);
  return refuse(`no backup is called "${wanted}"; ${labels.length === 1 ? 'the only one is' : 'the newest are'} ${named(labels)}`, labels);
}

function latestLabel(backups: Selectable): string {
  const latest = backups.find(({ isInUse }) => isInUse);
  if (latest !== undefined) return latest.label;
  if (backups.length === 0) return refuse('there is no backup yet', []);
  const labels = backups.map(({ label }) => label);
  return refuse(`there is no backup of the history in use; the newest of abandoned histories are ${named(labels)}`, labels);
}

function named(labels: readonly string[]): string {
  return labels.slice(0, NAMED_MAX).join(', ');
}

function refuse(sentence: string, candidates: readonly string[]): never {
  throw new RstowError('backup-not-found', sentence, { details: { candidates: candidates.slice(0, NAMED_MAX) } });
}

/**
 * What can be restored although an object is damaged. `same`: a restore of the backup never reads the object ·
 * `other-cover`: once the object is moved away, other pieces give the same bytes · `older`: another backup doesn't
 * need it · `none`.
 */
export type Alternative = { kind: 'same' | 'other-cover' | 'older'; label: string } | { kind: 'none' };

/** For a person who just met the damage. */
export function alternativeSentence(found: Alternative): string {
  switch (found.kind) {
    case 'same':
      return `a restore of ${found.label} does not need it`;
    case 'other-cover':
      return `other pieces hold the same bytes; move it out of the repository, and ${found.label} can be restored`;
    case 'older':
      return `backup ${found.label} does not need it and can be restored instead`;
    case 'none':
      return 'no other backup is complete without it';
  }
}

/** A position in the log; a recovery to it ends with the first record that ends at or past it. */
export type LogPosition = { segment: SegmentId; positionBytes: number };

/** One of the backups, and a position in its log, both decided by the seed. */
export function chooseLabel(labels: readonly string[], seed: number): string {
  const label = labels[Math.floor(seededRandom(seed)() * labels.length)];
  assert(label !== undefined, 'a choice is made among at least one');
  return label;
}

/** A position that is spread evenly over the log's bytes. `extents` hold at least one byte. */
export function choosePosition(extents: readonly Extent[], seed: number): LogPosition {
  const random = seededRandom(seed ^ 0x9e3779b9);
  const sizeBytes = extents.reduce((sum, extent) => sum + extent.endBytes, 0);
  let restBytes = 1 + Math.floor(random() * sizeBytes);
  for (const { segment, endBytes } of extents) {
    if (restBytes <= endBytes) return { segment, positionBytes: restBytes };
    restBytes -= endBytes;
  }
  assert(false, 'the position lies within the log');
}

/** A sequence of numbers in [0, 1) that its seed decides: a recorded choice can be made again. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  // Mulberry32: good enough to spread test points, and four lines long.
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
