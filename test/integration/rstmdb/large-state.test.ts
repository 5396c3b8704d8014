import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectRstmdb, type RstmdbTls } from '../../../src/io/rstmdb/connect-rstmdb.ts';
import { createInstance, type Instance } from '../../../src/io/rstmdb/instances.ts';
import { fingerprintOf } from '../../../src/io/rstmdb/live-state.ts';
import { putMachine } from '../../../src/io/rstmdb/server.ts';
import type { RstmdbClient } from '../../../src/io/rstmdb/rstmdb-client.ts';
import { ORDER_MACHINE } from '../../../demo/orders.ts';
import { startRstmdb } from '../../support/rstmdb-server.ts';
import { makeTlsCertificates } from '../../support/tls-certificates.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-large-state-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function connect(address: string, more: { tls?: RstmdbTls } = {}): Promise<RstmdbClient> {
  return connectRstmdb({ address, connectTimeoutMs: 3000, requestTimeoutMs: 10_000, ...more });
}

const read = async (connection: () => Promise<RstmdbClient>): Promise<{ ids: Set<string>; quiescent: boolean }> => {
  const ids = new Set<string>();
  const addInstance = ({ id }: Instance): void => void ids.add(id);
  const { quiescent } = await fingerprintOf(connection, { addMachine: () => undefined, addInstance });
  return { ids, quiescent };
};

/** A window of creations at a time. */
async function createAll(client: RstmdbClient, ids: readonly string[]): Promise<void> {
  await putMachine(client, ORDER_MACHINE);
  for (let from = 0; from < ids.length; from += 40) {
    await Promise.all(ids.slice(from, from + 40).map((id) => createInstance(client, { id, machine: 'order', version: 1 })));
  }
}

it('a state of 180 instances is read to its end over TLS, where the server keeps back answers to larger bursts', async () => {
  const certificates = await makeTlsCertificates();
  const server = await startRstmdb({ dataDir: join(folder, 'tls-state'), tls: { certificates }, env: { RSTMDB_FSYNC_POLICY: 'never' } });
  const connection = () => connect(server.address, { tls: { caFile: certificates.caFile } });
  const ids = Array.from({ length: 180 }, (_, index) => `order-${String(index).padStart(6, '0')}`);
  const client = await connection();
  await createAll(client, ids);
  await client.close();
  for (let round = 0; round < 3; round += 1) expect(await read(connection)).toEqual({ ids: new Set(ids), quiescent: true });
  await server.stop();
  await certificates.remove();
});

it('a state whose page of ids is above 16 MiB is read in smaller pages', async () => {
  const server = await startRstmdb({ dataDir: join(folder, 'long-ids'), env: { RSTMDB_FSYNC_POLICY: 'never' } });
  // More than a first page holds, and 20 MiB in all.
  const ids = Array.from({ length: 1_100 }, (_, index) => `${index}-${'x'.repeat(18_000)}`);
  const client = await connect(server.address);
  await createAll(client, ids);
  await expect(client.request('LIST_INSTANCES', '{"limit":1000,"offset":0}')).rejects.toMatchObject({ details: { op: 'LIST_INSTANCES' } });
  const { ids: found, quiescent } = await read(() => connect(server.address));
  expect(quiescent).toBe(true);
  expect(found).toEqual(new Set(ids));
  await server.stop();
});
