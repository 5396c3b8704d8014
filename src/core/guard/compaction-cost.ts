/** For each instance's snapshot the server writes the whole list of snapshots anew: so many bytes for each that is in it. */
const ENTRY_BYTES = 226;

/** The bytes of such lists that a processor writes in a second. */
const BYTES_PER_SECOND = 250_000_000;

/** Some seconds of the server's; above that nobody should be surprised by it. */
const BYTES_MAX = 2_000_000_000;

export type CompactionCost = { snapshots: number; writtenBytes: number; processorSeconds: number; isTooLarge: boolean };

/** What a COMPACT costs that has to make so many snapshots beside those that there are. It grows with their square. */
export function compactionCost({ lacking, there }: { lacking: number; there: number }): CompactionCost {
  const writtenBytes = ENTRY_BYTES * (lacking * there + (lacking * (lacking + 1)) / 2);
  return { snapshots: lacking, writtenBytes, processorSeconds: writtenBytes / BYTES_PER_SECOND, isTooLarge: writtenBytes > BYTES_MAX };
}
