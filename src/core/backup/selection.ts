import { RstowError } from '../errors/rstow-error.ts';
import type { PlacedBackup } from './history.ts';

const NAMED_MAX = 5;

/** All backups that can be named, the newest first; those that are not in use or have no place are never `latest`. */
export type Selectable = readonly (Pick<PlacedBackup, 'label'> & { isInUse: boolean })[];

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
