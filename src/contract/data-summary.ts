import { timeText } from '../core/text/figures.ts';

/** What lies in a data directory, and what of it neither a backup nor the archive holds. */
export type DataSummary = {
  dataDir: string;
  /** The history that it continues; null where it does not say. */
  timeline: string | null;
  records: number;
  /** What a server on it shows; null where the log can't be replayed to its end. */
  instances: number | null;
  /** When the newest of its files was written (Unix ms). */
  lastWriteAtMs: number;
  /** The newest backup of that history; null where there is none. */
  backup: string | null;
  /** The records that neither a backup nor the archive holds. Where `fault` says that nothing can be compared: at most so many. */
  unsavedRecords: number;
  unsavedBytes: number;
  /** Why it is not a whole log that continues the stored history. */
  fault?: { code: string; sentence: string } | undefined;
};

/** `750 records that no backup holds, last written 2026-11-24 10:15:00Z`. */
export function unsavedText({ unsavedRecords, lastWriteAtMs, fault }: DataSummary): string {
  const many = `${fault === undefined ? '' : 'up to '}${unsavedRecords} ${unsavedRecords === 1 ? 'record' : 'records'}`;
  return `${many} that no backup holds, last written ${timeText(lastWriteAtMs)}`;
}

/** `it replaces 25,000 instances by 5,000; …`: for whoever agrees to a restore. */
export function replacesText(data: DataSummary | null, instances: number): string {
  if (data === null) return `there is no log in place, and ${instances} instances come back`;
  const before = data.instances === null ? 'data that no server starts on' : `${data.instances} instances`;
  const kept =
    data.unsavedRecords === 0 ? '' : `; ${unsavedText(data)}, ${data.fault === undefined ? 'are stored first' : 'are only kept aside'}`;
  return `it replaces ${before} by ${instances}${kept}`;
}

/**
 * Which data a database's directory holds after a restore that failed: `replaced` were put back, `never-replaced` have
 * stayed where they were, `unknown` are neither the old nor the restored ones.
 */
export type DataInPlace = 'restored' | 'replaced' | 'never-replaced' | 'unknown';

/** What a failed roll-back is known by: the sentence begins with the code. */
type Failure = { code: string; sentence: string; dataInPlace: DataInPlace };

/** One wording for the workflow and for a restore without Temporal; it follows a failure's sentence and `; `. */
export function rolledBackClause(inPlace: DataInPlace): string {
  return inPlace === 'never-replaced'
    ? 'the old data were never moved, and the server runs on them'
    : 'the replaced data are back in place';
}

/** A server is started last: one that doesn't start may find the old data in place, and the watchdog goes on trying. */
export function notRolledBackClause({ code, sentence, dataInPlace }: Failure): string {
  if (dataInPlace === 'restored') return `and the replaced data could not be put back, so the restored data are in place (${sentence})`;
  if (dataInPlace !== 'replaced' && dataInPlace !== 'never-replaced') return `and the replaced data could not be put back (${sentence})`;
  const where = dataInPlace === 'replaced' ? 'the replaced data are back in place' : 'the old data were never moved';
  return `${where}, but ${code === 'service-start-failed' ? 'no server starts on them either' : 'the roll-back failed'}: ${sentence}`;
}

/** Of a failure after the swap that doesn't call the restored data bad. */
export function restoredInPlaceClause(replacedAt: string | undefined): string {
  return `the restored data are in place${replacedAt === undefined ? '' : `, the replaced ones in ${replacedAt}`}`;
}
