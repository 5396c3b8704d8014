/** How a backup was made; the last part of its label. */
export type BackupKind = 'hot' | 'tail';

/**
 * `20261124T101500Z-hot`: a name for people, by the clock when the backup begins; it decides nothing. `attempt` 1 has no suffix; later ones
 * get `-2`, `-3`, …
 */
export function backupLabel(startedAtMs: number, kind: BackupKind, attempt: number): string {
  const time = new Date(startedAtMs)
    .toISOString()
    .replace(/[-:]/g, '')
    .replace(/\.[0-9]+/, '');
  return `${time}-${kind}${attempt === 1 ? '' : `-${attempt}`}`;
}
