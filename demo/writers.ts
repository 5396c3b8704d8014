import { RstowError } from '../src/core/errors/rstow-error.ts';
import { connectRstmdb } from '../src/io/rstmdb/connect-rstmdb.ts';
import { applyEvent, createInstance } from '../src/io/rstmdb/instances.ts';
import { type Machine, putMachine } from '../src/io/rstmdb/server.ts';
import type { RstmdbClient } from '../src/io/rstmdb/rstmdb-client.ts';

/** So far; they grow until `stop`. */
export type WrittenSoFar = { acknowledged: number; instances: number };

export type DemoWriters = { written: WrittenSoFar; stop(): Promise<WrittenSoFar> };

const WRITERS = 8;
const EVENTS = ['PAY', 'SHIP', 'DELIVER'] as const;
const ORDER: Machine = {
  machine: 'order',
  version: 1,
  definitionText: JSON.stringify({
    states: ['created', 'paid', 'shipped', 'delivered'],
    initial: 'created',
    transitions: [
      { from: 'created', event: 'PAY', to: 'paid' },
      { from: 'paid', event: 'SHIP', to: 'shipped' },
      { from: 'shipped', event: 'DELIVER', to: 'delivered' },
    ],
  }),
};

/** Eight connections that write as fast as the server answers, each one order after the other. */
export async function startDemoWriters(address: string): Promise<DemoWriters> {
  const clients = await Promise.all(
    Array.from({ length: WRITERS }, () => connectRstmdb({ address, connectTimeoutMs: 5_000, requestTimeoutMs: 30_000 })),
  );
  await putMachine(clients[0] as RstmdbClient, ORDER);
  const written: WrittenSoFar = { acknowledged: 0, instances: 0 };
  const stopping = new AbortController();
  const running = clients.map((client, index) => writeOrders(client, { index, written, signal: stopping.signal }));
  // `stop` rejects with a failure; until then it must not end the process.
  for (const writer of running) writer.catch(() => undefined);
  return {
    written,
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
      return written;
    },
  };
}

type Writer = { index: number; written: WrittenSoFar; signal: AbortSignal };

async function writeOrders(client: RstmdbClient, writer: Writer): Promise<void> {
  try {
    for (let serial = 1; !writer.signal.aborted; serial += 1) await writeOrder(client, writer, serial);
  } finally {
    await client.close();
  }
}

async function writeOrder(client: RstmdbClient, { index, written, signal }: Writer, serial: number): Promise<void> {
  const id = `order-${index}-${serial}`;
  const ctxText = JSON.stringify({
    orderId: id,
    customer: `Customer ${serial % 500}`,
    city: 'Zürich',
    items: serial % 6,
    totalCents: 199 + ((serial * 13) % 9000),
  });
  const { machine, version } = ORDER;
  if (!(await acknowledged(written, () => createInstance(client, { id, machine, version, ctxText })))) return;
  written.instances += 1;
  for (const event of EVENTS) {
    if (signal.aborted) return;
    const payloadText = JSON.stringify({ by: `writer-${index}`, reference: `${event}-${id}` });
    if (!(await acknowledged(written, () => applyEvent(client, { instanceId: id, event, payloadText })))) return;
  }
}

/** A refused write is normal when writers race to the next segment (`WAL_IO_ERROR`): that order is left as it is. */
async function acknowledged(written: WrittenSoFar, write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write();
    written.acknowledged += 1;
    return true;
  } catch (error) {
    if (error instanceof RstowError && error.details['serverCode'] !== undefined) return false;
    throw error;
  }
}
