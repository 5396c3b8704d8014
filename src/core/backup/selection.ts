import { RstowError } from '../errors/rstow-error.ts';

const NAMED_MAX = 5;

/**
 * The label that a person means: `latest`, a whole label, or a unique beginning.
 * `labels` are sorted, oldest first. Fails: backup-not-found, with the nearest candidates.
 */
export function selectBackup(labels: readonly string[], wanted: string): string {
  if (wanted === 'latest') return labels.at(-1) ?? refuse('there is no backup yet', []);
  if (labels.includes(wanted)) return wanted;
  const matches = labels.filter((label) => label.startsWith(wanted));
  const [only] = matches;
  if (only !== undefined && matches.length === 1) return only;
  if (matches.length > 1) return refuse(`"${wanted}" is the beginning of ${matches.length} backups`, matches);
  return refuse(`no backup is called "${wanted}"`, labels);
}

function refuse(sentence: string, candidates: readonly string[]): never {
  const newest = candidates.slice(-NAMED_MAX);
  const named = newest.length === 0 ? '' : `; ${newest.length < candidates.length ? 'the newest are' : 'choose from'} ${newest.join(', ')}`;
  throw new RstowError('backup-not-found', `${sentence}${named}`, { details: { candidates: [...newest] } });
}
