import { mkdirSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Operation } from '../../../bench/generator/operation.ts';
import { orderOperations } from '../../../bench/generator/orders.ts';
import { createServerState, type InstanceState } from '../../../bench/generator/server-state.ts';
import { writeSnapshots } from '../../../bench/generator/snapshot-writer.ts';
import { createWalWriter } from '../../../bench/generator/wal-writer.ts';
import type { WalOffset } from '../../../src/core/wal/wal-offset.ts';
import { connectRstmdb } from '../../../src/io/rstmdb/connect-rstmdb.ts';
import { applyEvent, createInstance, deleteInstance, getInstance } from '../../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../../src/io/rstmdb/server.ts';
import type { RstmdbClient } from '../../../src/io/rstmdb/rstmdb-client.ts';
import { startRstmdb } from '../../support/rstmdb-server.ts';

const SEED = 7;
const OPERATIONS = 1500;
const OPEN_ORDERS = 40;
const SEGMENT_SIZE_MB = 1;

let folder: string;
let snapshotOffset: WalOffset | undefined;
let snapshotId: string;

/** The same operations to a real server, one after another, and to the generator. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-generator-'));
  await writeByServer(join(folder, 'server'), firstOperations());
  writeByGenerator(join(folder, 'generated'), firstOperations());
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('writes the segments that a real server writes for the same operations, byte for byte', async () => {
  const names = (await readdir(join(folder, 'server', 'wal'))).filter((name) => name.endsWith('.wal')).sort();
  expect(names.length).toBeGreaterThan(1);
  expect((await readdir(join(folder, 'generated', 'wal'))).sort()).toEqual(names);
  for (const name of names) {
    const [served, generated] = await Promise.all(['server', 'generated'].map((side) => readFile(join(folder, side, 'wal', name))));
    expect(generated?.equals(served as Buffer), name).toBe(true);
  }
});

it('exercises every kind of operation', () => {
  expect(new Set(firstOperations().map(({ kind }) => kind))).toEqual(
    new Set(['putMachine', 'createInstance', 'applyEvent', 'deleteInstance']),
  );
});

it('writes the snapshot that a real server writes, but for its id and time', async () => {
  const [served] = await readdir(join(folder, 'server', 'snapshots')).then((names) => names.filter((name) => name.endsWith('.snap')));
  const [generated] = await readdir(join(folder, 'generated', 'snapshots'));
  const servedText = await readFile(join(folder, 'server', 'snapshots', served ?? ''), 'utf8');
  const generatedText = await readFile(join(folder, 'generated', 'snapshots', generated ?? ''), 'utf8');
  expect(served).toBe(`${snapshotId}.snap`);
  expect(anonymous(generatedText)).toBe(anonymous(servedText));
});

function anonymous(text: string): string {
  return text.replace(/snap-[0-9a-f-]{36}/, 'snap').replace(/"created_at": \d+/, '"created_at": 0');
}

function firstOperations(): Operation[] {
  const operations = orderOperations(SEED, OPEN_ORDERS);
  return Array.from({ length: OPERATIONS }, () => operations.next().value);
}

/** An order that is still there at the end. */
function survivor(instances: ReadonlyMap<string, unknown>): string {
  return [...instances.keys()].at(-1) as string;
}

async function writeByServer(dataDir: string, operations: Operation[]): Promise<void> {
  const state = createServerState();
  for (const operation of operations) state.payloadOf(operation);
  const id = survivor(state.instances);
  const server = await startRstmdb({ dataDir, env: { RSTMDB_WAL_SEGMENT_SIZE_MB: String(SEGMENT_SIZE_MB), RSTMDB_FSYNC_POLICY: 'never' } });
  try {
    const client = await connectRstmdb({ address: server.address, connectTimeoutMs: 5000, requestTimeoutMs: 10_000 });
    for (const operation of operations) await send(client, operation);
    snapshotOffset = (await getInstance(client, id))?.lastWalOffset;
    const answer = await client.request('SNAPSHOT_INSTANCE', JSON.stringify({ instance_id: id }));
    snapshotId = (JSON.parse(answer) as { snapshot_id: string }).snapshot_id;
    await client.close();
  } finally {
    await server.stop();
  }
}

async function send(client: RstmdbClient, operation: Operation): Promise<unknown> {
  switch (operation.kind) {
    case 'putMachine': {
      const { machine, version, definition } = operation;
      return putMachine(client, { machine, version, definitionText: JSON.stringify(definition) });
    }
    case 'createInstance': {
      const { id, machine, version, ctx } = operation;
      return createInstance(client, { id, machine, version, ctxText: JSON.stringify(ctx) });
    }
    case 'applyEvent':
      return applyEvent(client, { instanceId: operation.id, event: operation.event, payloadText: JSON.stringify(operation.payload) });
    case 'deleteInstance':
      return deleteInstance(client, operation.id);
  }
}

function writeByGenerator(dir: string, operations: Operation[]): void {
  mkdirSync(join(dir, 'wal'), { recursive: true });
  const state = createServerState();
  const wal = createWalWriter(join(dir, 'wal'), SEGMENT_SIZE_MB * 1024 * 1024);
  for (const operation of operations) wal.append(state.payloadOf(operation));
  wal.close();
  const id = survivor(state.instances);
  const instance = { id, ...(state.instances.get(id) as InstanceState), walOffset: snapshotOffset ?? 0n };
  expect(writeSnapshots(join(dir, 'snapshots'), [instance], SEED)).toBe(1);
}
