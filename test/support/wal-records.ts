import { type WalOffset, walOffsetText } from '../../src/core/wal/wal-offset.ts';
import { countMember, objectText, offsetMember, rawElements, rawMember, rawMembers } from '../../src/io/rstmdb/protocol.ts';
import type { RstmdbClient } from '../../src/io/rstmdb/rstmdb-client.ts';

/** `entryText` is the server's re-serialisation: its keys are sorted and floats may drift, so it is no copy of the bytes. */
export type WalRecordView = { sequence: number; offset: WalOffset; entryText: string };

/**
 * Up to `limit` records from an offset on. An answer above 16 MiB closes the connection, and the server reads
 * every byte from the start of the offset's segment: for a look, not for an archive.
 */
export async function walRead(client: RstmdbClient, from: { offset: WalOffset; limit: number }): Promise<WalRecordView[]> {
  const params = objectText({ from_offset: walOffsetText(from.offset), limit: String(from.limit) });
  const members = rawMembers(await client.request('WAL_READ', params));
  return rawElements(rawMember(members, 'records')).map((recordText) => {
    const record = rawMembers(recordText);
    return { sequence: countMember(record, 'sequence'), offset: offsetMember(record, 'offset'), entryText: rawMember(record, 'entry') };
  });
}
