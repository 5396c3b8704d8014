/** Writers at full speed, and a record of everything that the server acknowledged to them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Order, ORDER_MACHINE, type OrderWrite, writeOrder } from '../../demo/orders.ts';
import type { WalOffset } from '../../src/core/wal/wal-offset.ts';
import { serverCodeOf } from '../../src/io/rstmdb/connection-error.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import type { RstmdbClient } from '../../src/io/rstmdb/rstmdb-client.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';

const RECONNECT_MS = 50;

export type AcknowledgedWrite = {
  instanceId: string;
  /** Where the record begins in the log of the server that acknowledged it. */
  offset: WalOffset;
  acknowledgedAtMs: number;
  /** Members that the record's JSON payload has, with these very values. */
  written: Record<string, unknown>;
};

export type LoadResult = {
  /** In the order of acknowledgement. */
  acknowledged: AcknowledgedWrite[];
  /** Refusals by the server's code: not stored. `WAL_IO_ERROR` (“File exists”) is normal where writers race to rotate. */
  refused: Map<string, number>;
  /** Sent, but the connection broke before an answer: stored or not. */
  unanswered: number;
};

export type LoadWriters = {
  /** So far; it grows until `stop`. */
  result: LoadResult;
  /** Waits until at least so many writes are acknowledged since the start. */
  acknowledgedAtLeast: (count: number) => Promise<void>;
  /** Lets each writer finish its write. */
  stop: () => Promise<LoadResult>;
};

export type LoadOptions = {
  address: string;
  tokenFile?: string;
  /** Connections, each with one write at a time. */
  writers: number;
  /** Of each writer, between two orders; 0 if absent. */
  pauseMs?: number;
  /** Distinguishes the instances of one load from those of another; `load` by default. */
  prefix?: string;
};

/** Starts them once the machine is there. A server that goes away is tried again until `stop`. */
export async function startLoadWriters(options: LoadOptions): Promise<LoadWriters> {
  const client = await connect(options);
  await putMachine(client, ORDER_MACHINE);
  await client.close();
  const result: LoadResult = { acknowledged: [], refused: new Map(), unanswered: 0 };
  const stopping = new AbortController();
  const running = Array.from({ length: options.writers }, (_, index) => runWriter({ options, index, result, stopping: stopping.signal }));
  const ended = endOf(running);
  // Whoever waits or stops is told; until then a failure must not end the process.
  ended.catch(() => undefined);
  return {
    result,
    acknowledgedAtLeast: async (count) => {
      while (result.acknowledged.length < count) await Promise.race([sleep(5), ended]);
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
      return result;
    },
  };
}

type Writer = { options: LoadOptions; index: number; result: LoadResult; stopping: AbortSignal };

/** Never fulfils: whoever waits for more writes learns why none will come. */
async function endOf(running: Promise<void>[]): Promise<never> {
  await Promise.all(running);
  throw new Error('the writers were stopped before they had written that much');
}

async function runWriter(writer: Writer): Promise<void> {
  const { options, index, result, stopping: signal } = writer;
  // A call: between two awaits the signal may have been aborted.
  const isStopping = (): boolean => signal.aborted;
  const send = (write: OrderWrite): Promise<boolean> => record(result, write);
  let serial = 0;
  while (!isStopping()) {
    try {
      const client = await connect(options);
      try {
        while (!isStopping()) {
          serial += 1;
          await writeOrder(client, orderOf(options.prefix ?? 'load', index, serial), { send, signal });
          if (options.pauseMs !== undefined) await sleep(options.pauseMs);
        }
      } finally {
        await client.close();
      }
    } catch (error) {
      if (!(error instanceof RstowError) || error.code !== 'server-unreachable') throw error;
      await sleep(RECONNECT_MS);
    }
  }
}

function orderOf(prefix: string, index: number, serial: number): Order {
  const id = `${prefix}-${index}-${serial}`;
  return {
    id,
    context: orderContext(id, serial),
    payloadOf: (event) => ({ by: `writer-${index}`, [`${event.toLowerCase()}Reference`]: `${event}-${id}`, amountCents: serial * 7 }),
  };
}

async function record(result: LoadResult, { written, send }: OrderWrite): Promise<boolean> {
  try {
    const offset = await send();
    result.acknowledged.push({ instanceId: written.instance_id, offset, acknowledgedAtMs: Date.now(), written });
    return true;
  } catch (error) {
    const serverCode = serverCodeOf(error);
    if (serverCode === undefined) {
      result.unanswered += 1;
      throw error;
    }
    result.refused.set(serverCode, (result.refused.get(serverCode) ?? 0) + 1);
    return false;
  }
}

/** 0.3 to 1 KB of what an order service would keep, with text outside ASCII. */
function orderContext(id: string, serial: number): Record<string, unknown> {
  const items = Array.from({ length: 1 + (serial % 6) }, (_, index) => ({
    sku: `SKU-${(serial * 31 + index * 7) % 10_000}`,
    title: ['Fahrradschlauch 28"', 'Crème brûlée set', '東京 mug', 'Plain box'][(serial + index) % 4],
    quantity: 1 + ((serial + index) % 3),
    priceCents: 199 + ((serial * 13 + index) % 9000),
  }));
  const customer = { name: `Customer ${serial % 500}`, email: `customer${serial % 500}@shop.example`, city: 'Zürich' };
  return {
    orderId: id,
    customer,
    items,
    currency: 'EUR',
    totalCents: items.reduce((sum, item) => sum + item.quantity * item.priceCents, 0),
  };
}

function connect(options: LoadOptions): Promise<RstmdbClient> {
  const token = options.tokenFile === undefined ? {} : { tokenFile: options.tokenFile };
  return connectRstmdb({ address: options.address, ...token, connectTimeoutMs: 5000, requestTimeoutMs: 30_000 });
}
