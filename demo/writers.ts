import { connectRstmdb } from '../src/io/rstmdb/connect-rstmdb.ts';
import { serverCodeOf } from '../src/io/rstmdb/connection-error.ts';
import { putMachine } from '../src/io/rstmdb/server.ts';
import type { RstmdbClient } from '../src/io/rstmdb/rstmdb-client.ts';
import { RstowError } from '../src/core/errors/rstow-error.ts';
import { type Order, ORDER_MACHINE, type OrderWrite, writeOrder } from './orders.ts';

/** So far; it grows until the server is lost, or `stop`. */
export type WrittenSoFar = {
  acknowledged: number;
  /** When the server acknowledged each order that it created (Unix ms), by the order's id. */
  orders: Map<string, number>;
};

export type DemoWriters = { written: WrittenSoFar; stop(): Promise<WrittenSoFar> };

const WRITERS = 8;

/** Eight connections that write as fast as the server answers, each one order after the other. One whose server is gone ends. */
export async function startDemoWriters(address: string): Promise<DemoWriters> {
  const clients = await Promise.all(
    Array.from({ length: WRITERS }, () => connectRstmdb({ address, connectTimeoutMs: 5_000, requestTimeoutMs: 30_000 })),
  );
  await putMachine(clients[0] as RstmdbClient, ORDER_MACHINE);
  const written: WrittenSoFar = { acknowledged: 0, orders: new Map() };
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

async function writeOrders(client: RstmdbClient, { index, written, signal }: Writer): Promise<void> {
  const send = (write: OrderWrite): Promise<boolean> => isAcknowledged(write, written);
  try {
    for (let serial = 1; !signal.aborted; serial += 1) await writeOrder(client, orderOf(index, serial), { send, signal });
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'server-unreachable') throw error;
  } finally {
    await client.close();
  }
}

function orderOf(index: number, serial: number): Order {
  const id = `order-${index}-${serial}`;
  return {
    id,
    context: {
      orderId: id,
      customer: `Customer ${serial % 500}`,
      city: 'Zürich',
      items: serial % 6,
      totalCents: 199 + ((serial * 13) % 9000),
    },
    payloadOf: (event) => ({ by: `writer-${index}`, reference: `${event}-${id}` }),
  };
}

/** A refused write is normal when writers race to the next segment (`WAL_IO_ERROR`): that order is left as it is. */
async function isAcknowledged({ written: { type, instance_id: id }, send }: OrderWrite, written: WrittenSoFar): Promise<boolean> {
  try {
    await send();
  } catch (error) {
    if (serverCodeOf(error) !== undefined) return false;
    throw error;
  }
  written.acknowledged += 1;
  if (type === 'create_instance') written.orders.set(id, Date.now());
  return true;
}
