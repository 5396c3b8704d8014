import type { Operation } from './operation.ts';
import { eventPayload, orderContext, timeText } from './order-content.ts';
import { createRandom, type Random } from './random.ts';

export const ORDER_MACHINE = {
  machine: 'order',
  version: 1,
  definition: {
    initial: 'created',
    states: ['created', 'authorised', 'paid', 'invoiced', 'picked', 'packed', 'shipped', 'delivered', 'closed'],
    transitions: [
      { event: 'AUTHORISE', from: 'created', to: 'authorised' },
      { event: 'PAY', from: 'authorised', to: 'paid' },
      { event: 'INVOICE', from: 'paid', to: 'invoiced' },
      { event: 'PICK', from: 'invoiced', to: 'picked' },
      { event: 'PACK', from: 'picked', to: 'packed' },
      { event: 'SHIP', from: 'packed', to: 'shipped' },
      { event: 'DELIVER', from: 'shipped', to: 'delivered' },
      { event: 'CLOSE', from: 'delivered', to: 'closed' },
    ],
  },
};

const EVENTS = ORDER_MACHINE.definition.transitions.map(({ event }) => event);

/** As many orders are under way at once, so that the records of one lie far apart in the log. */
const OPEN_ORDERS = 10_000;
/** One in so many closed orders is deleted. */
const DELETED_ONE_IN = 50;

type OpenOrder = { id: string; steps: number };

/** A shop's operations without an end, the same for the same seed. */
export function* orderOperations(seed: number, openOrders = OPEN_ORDERS): Generator<Operation, never> {
  const random = createRandom(seed);
  const open: OpenOrder[] = [];
  yield { kind: 'putMachine', ...ORDER_MACHINE };
  for (let tick = 1; ; tick += 1) {
    const at = timeText(tick);
    if (open.length < openOrders && (open.length < 2 || random.below(EVENTS.length) === 0 || open.length < openOrders / 2)) {
      yield create(random, open, { tick, at });
    } else {
      yield* advance(random, open, at);
    }
  }
}

function create(random: Random, open: OpenOrder[], { tick, at }: { tick: number; at: string }): Operation {
  const id = `order-${String(tick).padStart(9, '0')}-${random.hex(1)}`;
  open.push({ id, steps: 0 });
  return {
    kind: 'createInstance',
    id,
    machine: ORDER_MACHINE.machine,
    version: ORDER_MACHINE.version,
    ctx: orderContext(random, { id, at }),
  };
}

/** The next event of any open order; after the last one it is closed, and now and then deleted. */
function* advance(random: Random, open: OpenOrder[], at: string): Generator<Operation, void> {
  const index = random.below(open.length);
  const order = open[index] as OpenOrder;
  const event = EVENTS[order.steps] as string;
  order.steps += 1;
  yield { kind: 'applyEvent', id: order.id, event, payload: eventPayload(random, event, at) };
  if (order.steps < EVENTS.length) return;
  open[index] = open.at(-1) as OpenOrder;
  open.pop();
  if (random.below(DELETED_ONE_IN) === 0) yield { kind: 'deleteInstance', id: order.id };
}
