import type { Replication } from '../../core/protection/host-risks.ts';
import type { WalOffset } from '../../core/wal/wal-offset.ts';
import { serverCodeOf } from './connection-error.ts';
import { countMember, objectText, offsetMember, rawElements, rawMember, rawMembers, textMember, unexpectedMember } from './protocol.ts';
import type { RstmdbClient } from './rstmdb-client.ts';

type ServerInfo = { serverName: string; serverVersion: string };

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

type MachineName = { machine: string; version: number };

/** `definitionText` is raw JSON: what was put, or from the server its normalised form. */
export type Machine = MachineName & { definitionText: string };

/** Every version of every machine. */
export async function listMachines(client: RstmdbClient): Promise<MachineName[]> {
  const items: unknown = JSON.parse(rawMember(rawMembers(await client.request('LIST_MACHINES')), 'items'));
  if (!Array.isArray(items)) throw unexpectedMember('items');
  return items.flatMap(namesOf);
}

export async function getMachine(client: RstmdbClient, name: MachineName): Promise<Machine> {
  const params = objectText({ machine: JSON.stringify(name.machine), version: String(name.version) });
  const members = rawMembers(await client.request('GET_MACHINE', params));
  return { ...name, definitionText: rawMember(members, 'definition') };
}

/** Undefined where there is no such version. */
export async function findMachine(client: RstmdbClient, name: MachineName): Promise<Machine | undefined> {
  try {
    return await getMachine(client, name);
  } catch (error) {
    if (serverCodeOf(error) === 'MACHINE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Twice: the same definition again changes nothing; another one fails with MACHINE_VERSION_EXISTS. */
export async function putMachine(client: RstmdbClient, { machine, version, definitionText }: Machine): Promise<void> {
  await client.request(
    'PUT_MACHINE',
    objectText({ machine: JSON.stringify(machine), version: String(version), definition: definitionText }),
  );
}

/** What the server says of its replicas, or of its primary. @see rstmdb-server 0.3.0 src/handler.rs handle_replication_status */
export async function replicationStatus(client: RstmdbClient): Promise<Replication> {
  const members = rawMembers(await client.request('REPLICATION_STATUS'));
  const role = textMember(members, 'role');
  if (role === 'replica') return { role, upstream: textMember(members, 'upstream'), lagEntries: countMember(members, 'lag_entries') };
  if (role !== 'primary') return { role: 'standalone' };
  const replicas = rawElements(rawMember(members, 'replicas')).map((text) => {
    const replica = rawMembers(text);
    return { id: textMember(replica, 'replica_id'), lagEntries: countMember(replica, 'lag_entries') };
  });
  return { role, mode: textMember(members, 'mode'), connected: countMember(members, 'connected_replicas'), replicas };
}

function namesOf(item: { machine?: unknown; versions?: unknown }): MachineName[] {
  const { machine, versions } = item;
  if (typeof machine !== 'string' || !Array.isArray(versions)) throw unexpectedMember('items');
  return versions.map((version: unknown) => {
    if (typeof version !== 'number') throw unexpectedMember('versions');
    return { machine, version };
  });
}
