import { stat } from 'node:fs/promises';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import {
  createInstanceComparison,
  differingOf,
  fitsCount,
  joinedComparison,
  lackingMachines,
  machineName,
  type ServerComparison,
  type StateComparison,
  unshownMachines,
  type WrittenSince,
} from '../../core/state/server-comparison.ts';
import type { Replication } from '../../core/protection/host-risks.ts';
import type { Extent, SegmentId } from '../../core/wal/wal-offset.ts';
import { type Connector, getInstances, instancePages, listInstances } from '../../io/rstmdb/instances.ts';
import { listMachines, replicationStatus } from '../../io/rstmdb/server.ts';
import type { RstmdbClient } from '../../io/rstmdb/rstmdb-client.ts';
import { allInstances, type KeptState } from '../../replay/kept-state.ts';
import type { Server } from '../../database/database.ts';
import { readLogEntry } from '../../core/state/log-entry.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { scanSegment } from './segment-scan.ts';

/** Each page costs the server a copy of all instances, so that listing many of them is work that grows as their square. */
const LISTED_INSTANCES_MAX = 250_000;

/** So many that the log alone holds are asked for one by one: a page that shifted under writes may have left them out. */
const ASKED_INSTANCES_MAX = 10_000;

type ComparedLog = {
  state: KeptState;
  extents: readonly Extent[];
  /** The segment with which the log begins, if that holds the state of all before it. */
  baseline: SegmentId | undefined;
  /** Read when it is asked: what the server shows may have been written since the backup's end. */
  writtenSince: () => Promise<WrittenSince>;
  /** Where segments are gone from the data directory: what was appended before they went is known from the listing alone. */
  mustList: boolean;
};

type Asked = { machines: StateComparison; role: Replication['role'] };

type Compared = { comparison: ServerComparison | null; warnings: Warning[] };

/**
 * Holds what a log gives against what its server shows: damage that leaves the log readable, such as a segment that
 * somebody emptied, shows nowhere else. A server that can't be asked is a warning, for the log is stored by now.
 */
export async function compareWithServer(server: Server, log: ComparedLog, signal: AbortSignal): Promise<Compared> {
  try {
    return { comparison: joinedComparison(await compareStates(server, log, signal)), warnings: [] };
  } catch (error) {
    if (!(error instanceof RstowError) || signal.aborted) throw error;
    const message = `what the log says could not be compared with what the server shows: ${error.message}`;
    return { comparison: null, warnings: [{ code: 'not-compared', message }] };
  }
}

/** The same, for whoever wants to know why the server can't be asked. Fails: server-unreachable, server-refused, data-directory-replaced. */
export async function compareStates(server: Server, log: ComparedLog, signal: AbortSignal): Promise<StateComparison> {
  const ask = async (client: RstmdbClient): Promise<Asked> => ({
    machines: await compareMachines(client, log),
    role: (await replicationStatus(client)).role,
  });
  const asked = await server.ask(ask, { signal });
  return asked.machines.kind === 'counts' ? asked.machines : compareInstances(server.connector({ signal }), log, asked);
}

/** `counts` where the number of instances has to do for the rest of the comparison, too. */
async function compareMachines(client: RstmdbClient, log: ComparedLog): Promise<StateComparison> {
  const { total: shown } = await listInstances(client, { limit: 1, offset: 0 });
  const machines = await listMachines(client);
  const since = await log.writtenSince();
  const { instances, machines: replayed } = log.state;
  const isTooMany = shown > LISTED_INSTANCES_MAX && !log.mustList && fitsCount(shown, instances, since);
  return {
    kind: isTooMany ? 'counts' : 'instances',
    shown,
    machines: {
      lacking: differingOf(lackingMachines(replayed, machines, since).map(machineName)),
      unshown: differingOf(unshownMachines(replayed, machines)),
    },
    instances: { lacking: differingOf([]), outdated: differingOf([]), unshown: differingOf([]), older: differingOf([]) },
  };
}

async function compareInstances(connect: Connector, log: ComparedLog, { machines: before, role }: Asked): Promise<StateComparison> {
  const { shown, machines } = before;
  const comparison = createInstanceComparison(log.extents, { baseline: log.baseline, showsOwnOffsets: role !== 'replica' });
  for await (const { instances } of instancePages(connect)) for (const instance of instances) comparison.offer(instance);
  for await (const instances of allInstances(log.state)) for (const instance of instances) comparison.judge(instance);
  const unknown = await unknownTo(connect, comparison.notOffered());
  // Read last: whatever the server has done before it was asked stands in the log by now.
  const since = await log.writtenSince();
  const unshown = differingOf(unknown.filter((id) => !since.deleted.has(id)));
  return { kind: 'instances', shown, machines, instances: { ...comparison.found(since), unshown } };
}

/** The instances that the server doesn't know. Those past the bound are taken as they came. */
async function unknownTo(connect: Connector, ids: Iterable<string>): Promise<string[]> {
  const candidates = [...ids];
  const asked = candidates.slice(0, ASKED_INSTANCES_MAX);
  const unknown = candidates.slice(ASKED_INSTANCES_MAX);
  const client = await connect();
  try {
    let at = 0;
    for await (const instance of getInstances(client, asked)) {
      if (instance === undefined) unknown.push(asked[at] ?? '');
      at += 1;
    }
    return unknown;
  } finally {
    await client.close();
  }
}

type LogBehind = {
  walDir: string;
  extents: readonly Extent[];
  /** Of the segments that are pinned: compaction may have taken their names away by now. */
  pinned: ReadonlyMap<SegmentId, string>;
  signal: AbortSignal;
};

type Written = { created: Set<string>; deleted: Set<string>; machines: Set<string>; ends: Map<number, number> };

/** What was written behind a backup's end so far: a server may show it already. Fails: data-directory-replaced. */
export async function writtenSince({ walDir, extents, pinned, signal }: LogBehind): Promise<WrittenSince> {
  const written: Written = { created: new Set(), deleted: new Set(), machines: new Set(), ends: new Map() };
  const ends = new Map(extents.map(({ segment, endBytes }) => [segment, endBytes]));
  const lastSegment = Math.max(0, ...ends.keys());
  const listed = ((await listSegments(walDir)) ?? []).map(({ segment, path }) => [segment, path] as const);
  for (const [segment, path] of new Map([...listed, ...pinned])) {
    // A segment that no backup ever saw, between others, is a hole and nothing new.
    const startBytes = ends.get(segment) ?? (segment > lastSegment ? 0 : undefined);
    if (startBytes !== undefined) written.ends.set(segment, await readBehind(written, { path, startBytes, signal }));
  }
  return written;
}

async function readBehind(written: Written, at: { path: string; startBytes: number; signal: AbortSignal }): Promise<number> {
  const { path, startBytes, signal } = at;
  const { size } = await stat(path);
  const { end } = await scanSegment({ path, startBytes, sizeBytes: size, signal, onRecord: ({ payload }) => take(written, payload) });
  return end.positionBytes;
}

function take({ created, deleted, machines }: Written, payload: Uint8Array): void {
  const entry = readLogEntry(payload);
  if (entry?.kind === 'put_machine') machines.add(machineName(entry));
  else if (entry?.kind === 'create_instance') created.add(entry.id);
  else if (entry?.kind === 'delete_instance') deleted.add(entry.id);
}
