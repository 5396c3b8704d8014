import type { WalOffset } from '../../core/wal/wal-offset.ts';
import { countMember, objectText, offsetMember, rawMembers, textMember } from './answer.ts';
import type { RstmdbClient } from './rstmdb-client.ts';

export type ServerInfo = { serverName: string; serverVersion: string };

export type WalStats = {
  /** The last sequence number given out: failed writes burn numbers, so it counts no records. */
  lastSequence: number;
  segmentCount: number;
  /** Where the next record would go. Undefined while the server has no current segment. Information, never a fence. */
  latestOffset: WalOffset | undefined;
};

export type Compaction = { snapshotsCreated: number; segmentsDeleted: number };

/** Works without a token on every server. */
export async function ping(client: RstmdbClient): Promise<void> {
  await client.request('PING');
}

export async function serverInfo(client: RstmdbClient): Promise<ServerInfo> {
  const members = rawMembers(await client.request('INFO'));
  return { serverName: textMember(members, 'server_name'), serverVersion: textMember(members, 'server_version') };
}

export async function walStats(client: RstmdbClient): Promise<WalStats> {
  const members = rawMembers(await client.request('WAL_STATS'));
  return {
    lastSequence: countMember(members, 'entry_count'),
    segmentCount: countMember(members, 'segment_count'),
    latestOffset: members.get('latest_offset') === 'null' ? undefined : offsetMember(members, 'latest_offset'),
  };
}

/**
 * Deletes segments that the next restart needs: only for a caller who has linked them first.
 * It is quadratic in the instances that lack a snapshot, so it brings its own timeout.
 */
export async function compact(client: RstmdbClient, options: { forceSnapshot: boolean; timeoutMs: number }): Promise<Compaction> {
  const params = objectText({ force_snapshot: String(options.forceSnapshot) });
  const members = rawMembers(await client.request('COMPACT', params, options.timeoutMs));
  return { snapshotsCreated: countMember(members, 'snapshots_created'), segmentsDeleted: countMember(members, 'segments_deleted') };
}
