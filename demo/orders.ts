/** Orders, as the demo's writers and those of the tests put them into a server. */
import type { WalOffset } from '../src/core/wal/wal-offset.ts';
import { applyEvent, createInstance } from '../src/io/rstmdb/instances.ts';
import type { RstmdbClient } from '../src/io/rstmdb/rstmdb-client.ts';
import type { Machine } from '../src/io/rstmdb/server.ts';

export const ORDER_MACHINE: Machine = {
  machine: 'order',
  version: 1,
  definitionText: JSON.stringify({
    states: ['created', 'paid', 'shipped', 'delivered'],
    initial: 'created',
    transitions: [
      { from: 'created', event: 'PAY', to: 'paid' },
      { from: 'paid', event: 'SHIP', to: 'shipped' },
      { from: ['shipped'], event: 'DELIVER', to: 'delivered' },
    ],
  }),
};

const EVENTS = ['PAY', 'SHIP', 'DELIVER'] as const;

export type Order = {
  id: string;
  context: Record<string, unknown>;
  payloadOf: (event: (typeof EVENTS)[number]) => Record<string, unknown>;
};

/** One write of an order. */
export type OrderWrite = {
  /** Members that the record's JSON payload will have, with these very values. */
  written: { type: 'create_instance' | 'apply_event'; instance_id: string } & Record<string, unknown>;
  /** Gives where the record begins in the log. */
  send: () => Promise<WalOffset>;
};

/** Sends a write, and says whether the server acknowledged it. */
type Sender = (write: OrderWrite) => Promise<boolean>;

/** One order from its creation to its last event; to the first write that was refused, if any is, or until the signal. */
export async function writeOrder(
  client: RstmdbClient,
  order: Order,
  { send, signal }: { send: Sender; signal: AbortSignal },
): Promise<void> {
  if (!(await send(creationOf(client, order)))) return;
  for (const event of EVENTS) {
    if (signal.aborted) return;
    const { id } = order;
    const payload = order.payloadOf(event);
    const apply = { instanceId: id, event, payloadText: JSON.stringify(payload) };
    const written = { type: 'apply_event', instance_id: id, event, payload } as const;
    if (!(await send({ written, send: async () => (await applyEvent(client, apply)).offset }))) return;
  }
}

function creationOf(client: RstmdbClient, { id, context }: Order): OrderWrite {
  const { machine, version } = ORDER_MACHINE;
  return {
    written: { type: 'create_instance', instance_id: id, machine, version, initial_ctx: context },
    send: () => createInstance(client, { id, machine, version, ctxText: JSON.stringify(context) }),
  };
}
