/** What lies in a data directory, and what of it no backup holds. */
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
  /** The records that no backup holds. Where `fault` says that nothing can be compared: at most so many. */
  unsavedRecords: number;
  unsavedBytes: number;
  /** Why it is not a whole log that continues the stored history. */
  fault?: { code: string; sentence: string } | undefined;
};

/** `750 records that no backup holds, last written 2026-11-24T10:15:00.000Z`. */
export function unsavedText({ unsavedRecords, lastWriteAtMs, fault }: DataSummary): string {
  const many = `${fault === undefined ? '' : 'up to '}${unsavedRecords} ${unsavedRecords === 1 ? 'record' : 'records'}`;
  return `${many} that no backup holds, last written ${new Date(lastWriteAtMs).toISOString()}`;
}

/** `it replaces 25,000 instances by 5,000; …`: for whoever agrees to a restore. */
export function replacesText(data: DataSummary | null, instances: number): string {
  if (data === null) return `there is no log in place, and ${instances} instances come back`;
  const before = data.instances === null ? 'data that no server starts on' : `${data.instances} instances`;
  const kept =
    data.unsavedRecords === 0 ? '' : `; ${unsavedText(data)}, ${data.fault === undefined ? 'are stored first' : 'are only kept aside'}`;
  return `it replaces ${before} by ${instances}${kept}`;
}
