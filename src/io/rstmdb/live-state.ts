import type { WalOffset } from '../../core/wal/wal-offset.ts';
import { type Connector, getInstances, type Instance, instancePages } from './instances.ts';
import { getMachine, listMachines, type Machine, walStats, type WalStats } from './server.ts';
import type { RstmdbClient } from './rstmdb-client.ts';

/** Takes the state in, in no order that means anything: a digest, or a list for a rescue. */
export type LiveStateConsumer = {
  addMachine: (machine: Machine) => void;
  addInstance: (instance: Instance) => void;
  /** How many instances the server has listed so far: before the first of them is added. */
  listed?: (instances: number) => void;
};

export type LiveStateReading = {
  machineCount: number;
  instanceCount: number;
  /** The server's end of log when the reading was over; undefined where it has no current segment. */
  latestOffset: WalOffset | undefined;
  /** False where something was written meanwhile: then what was read is no state that ever was. */
  quiescent: boolean;
};

/**
 * Reads every machine and instance of a running server into `consumer`. Takes as long as answers come: it is each request
 * that has a bound. Fails: server-unreachable, server-refused, server-version-unsupported.
 */
export async function fingerprintOf(connect: Connector, consumer: LiveStateConsumer): Promise<LiveStateReading> {
  const before = await onceConnected(connect, walStats);
  // Of its own: the server closes a connection that is idle while the ids of ten million instances are listed.
  const ids = await listIds(connect, consumer);
  return onceConnected(connect, async (client) => {
    const machineCount = await readMachines(client, consumer);
    const instanceCount = await readInstances(client, ids.unique, consumer);
    const after = await walStats(client);
    const complete = ids.unique.size === ids.total && instanceCount === ids.total;
    return { machineCount, instanceCount, latestOffset: after.latestOffset, quiescent: complete && nothingWritten(before, after) };
  });
}

async function onceConnected<T>(connect: Connector, use: (client: RstmdbClient) => Promise<T>): Promise<T> {
  const client = await connect();
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

async function readMachines(client: RstmdbClient, consumer: LiveStateConsumer): Promise<number> {
  const names = await listMachines(client);
  for (const name of names) consumer.addMachine(await getMachine(client, name));
  return names.length;
}

/** Pages shift under writes: ids may come twice or not at all, which the total shows. */
async function listIds(connect: Connector, { listed }: LiveStateConsumer): Promise<{ unique: Set<string>; total: number }> {
  const unique = new Set<string>();
  let total = 0;
  for await (const page of instancePages(connect)) {
    for (const { id } of page.instances) unique.add(id);
    total = page.total;
    listed?.(unique.size);
  }
  return { unique, total };
}

async function readInstances(client: RstmdbClient, ids: Set<string>, consumer: LiveStateConsumer): Promise<number> {
  let count = 0;
  for await (const instance of getInstances(client, ids)) {
    if (instance === undefined) continue;
    consumer.addInstance(instance);
    count += 1;
  }
  return count;
}

/** Both figures: after a rotation race a record may lie above or below the end, but it always takes a number. */
function nothingWritten(before: WalStats, after: WalStats): boolean {
  return before.latestOffset === after.latestOffset && before.lastSequence === after.lastSequence;
}
