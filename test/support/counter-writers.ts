/**
 * Writers at full speed on a few instances for ever, so that a COMPACT costs the same at any time and deletes what is old; and a record
 * of everything that the server acknowledged to them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import type { WalOffset } from '../../src/core/wal/wal-offset.ts';
import { serverCodeOf } from '../../src/io/rstmdb/connection-error.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { applyEvent, createInstance } from '../../src/io/rstmdb/instances.ts';
import type { RstmdbClient } from '../../src/io/rstmdb/rstmdb-client.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import { COUNTER_MACHINE } from './compactable-log.ts';
import type { AcknowledgedWrite } from './load-writers.ts';

const RECONNECT_MS = 50;
const COUNTERS_OF_WRITER = 4;

/** One of very many: small. `offset`: where the record begins. */
export type Tick = { writer: number; serial: number; offset: WalOffset; acknowledgedAtMs: number };

export type CounterWriters = {
  /** In the order of acknowledgement; it grows until `stop`. */
  ticks: readonly Tick[];
  /** Refusals by the server's code: not stored. */
  refused: ReadonlyMap<string, number>;
  /** Returns once so many more were acknowledged. */
  more: (count: number) => Promise<void>;
  /** Lets each writer finish its write. Twice: no-op. */
  stop: () => Promise<void>;
};

type Writing = {
  address: string;
  prefix: string;
  ticks: Tick[];
  refused: Map<string, number>;
  signal: AbortSignal;
};

/** Starts so many. A server that goes away is tried again until `stop`. */
export async function startCounterWriters(
  address: string,
  { writers, prefix = 'counter' }: { writers: number; prefix?: string },
): Promise<CounterWriters> {
  const client = await connect(address);
  await putMachine(client, COUNTER_MACHINE);
  await client.close();
  const stopping = new AbortController();
  const writing: Writing = { address, prefix, ticks: [], refused: new Map(), signal: stopping.signal };
  const running = Promise.all(Array.from({ length: writers }, (_, writer) => write(writing, writer)));
  // Whoever waits or stops is told; until then a failure must not end the process.
  running.catch(() => undefined);
  const { ticks, refused } = writing;
  return {
    ticks,
    refused,
    more: async (count) => {
      const wanted = ticks.length + count;
      while (ticks.length < wanted) await Promise.race([sleep(5), running]);
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

/** What the record of a tick has in its JSON payload. */
export function writeOf({ writer, serial, offset, acknowledgedAtMs }: Tick, prefix = 'counter'): AcknowledgedWrite {
  const instanceId = counterId(prefix, writer, serial);
  const written = { type: 'apply_event', instance_id: instanceId, event: 'TICK', payload: payloadOf(writer, serial) };
  return { instanceId, offset, acknowledgedAtMs, written };
}

async function write(writing: Writing, writer: number): Promise<void> {
  const isStopping = (): boolean => writing.signal.aborted;
  const at = { writer, serial: 0 };
  while (!isStopping()) {
    try {
      const client = await connect(writing.address);
      try {
        for (let serial = 0; serial < COUNTERS_OF_WRITER; serial += 1) await makeCounter(client, counterId(writing.prefix, writer, serial));
        while (!isStopping()) await tick(writing, client, at);
      } finally {
        await client.close();
      }
    } catch (error) {
      if (!(error instanceof RstowError) || error.code !== 'server-unreachable') throw error;
      await sleep(RECONNECT_MS);
    }
  }
}

async function makeCounter(client: RstmdbClient, id: string): Promise<void> {
  try {
    await createInstance(client, { id, machine: COUNTER_MACHINE.machine, version: COUNTER_MACHINE.version, ctxText: '{"of":"counter"}' });
  } catch (error) {
    if (serverCodeOf(error) === undefined) throw error;
  }
}

async function tick({ prefix, ticks, refused }: Writing, client: RstmdbClient, at: { writer: number; serial: number }): Promise<void> {
  const { writer } = at;
  const serial = (at.serial += 1);
  const instanceId = counterId(prefix, writer, serial);
  try {
    const { offset } = await applyEvent(client, { instanceId, event: 'TICK', payloadText: JSON.stringify(payloadOf(writer, serial)) });
    ticks.push({ writer, serial, offset, acknowledgedAtMs: Date.now() });
  } catch (error) {
    const code = serverCodeOf(error);
    if (code === undefined) throw error;
    refused.set(code, (refused.get(code) ?? 0) + 1);
    if (code === 'INSTANCE_NOT_FOUND') await makeCounter(client, instanceId);
  }
}

function counterId(prefix: string, writer: number, serial: number): string {
  return `${prefix}-${writer}-${serial % COUNTERS_OF_WRITER}`;
}

/** About 200 bytes, half of which no other record has. */
function payloadOf(writer: number, serial: number): Record<string, unknown> {
  const mark = Array.from({ length: 12 }, (_, part) => Math.imul(serial * 31 + writer * 7 + part, 2_654_435_761) >>> 0);
  return { by: `writer-${writer}`, serial, city: 'Zürich', mark: mark.map((part) => part.toString(16)).join('-') };
}

function connect(address: string): Promise<RstmdbClient> {
  return connectRstmdb({ address, connectTimeoutMs: 5000, requestTimeoutMs: 30_000 });
}
