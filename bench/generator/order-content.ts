/** What orders hold: 0.6 to 1.5 KB, a good tenth of it random, the rest as repetitive as a shop's data are. */
import type { Context } from './operation.ts';
import type { Random } from './random.ts';

const FIRST_NAMES = [
  'Anna',
  'Bogdan',
  'Chloé',
  'Dmitri',
  'Elif',
  'Farid',
  'Grace',
  'Hiroshi',
  'Ines',
  'Jürgen',
  'Kofi',
  'Lena',
  'Mateo',
  'Nadia',
];
const LAST_NAMES = [
  'Ács',
  'Brown',
  'Costa',
  'Dubois',
  'Eriksson',
  'Fischer',
  'García',
  'Huang',
  'Ivanova',
  'Jensen',
  'Kowalski',
  'Lopez',
  'Müller',
];
const STREETS = ['Bahnhofstrasse', 'High Street', 'Rue de la Paix', 'Calle Mayor', 'Storgatan', 'Via Roma', 'Kalverstraat', 'Station Road'];
const CITIES = ['Zürich', 'Leeds', 'Lyon', 'Sevilla', 'Malmö', 'Torino', 'Utrecht', 'Kraków', 'Graz', 'Porto', 'Gent', 'Brno'];
const THINGS = [
  'bicycle tube',
  'espresso cup',
  'rain jacket',
  'desk lamp',
  'notebook A5',
  'water bottle',
  'usb cable',
  'chef knife',
  'wool socks',
];
const COLOURS = ['black', 'white', 'navy', 'olive', 'crimson', 'sand'];
const CHANNELS = ['web', 'ios', 'android', 'store', 'phone'];
const CARRIERS = ['dhl', 'ups', 'postnord', 'gls', 'dpd'];
const METHODS = ['card', 'invoice', 'paypal', 'sepa', 'twint'];

/** 2025-01-01 in UTC; every operation is some milliseconds later than the one before. */
const FIRST_AT_MS = 1_735_689_600_000;

export function timeText(tick: number): string {
  return new Date(FIRST_AT_MS + tick * 83).toISOString();
}

export function orderContext(random: Random, order: { id: string; at: string }): Context {
  const items = Array.from({ length: 1 + random.below(5) }, () => orderItem(random));
  const totalCents = items.reduce((sum, { priceCents, quantity }) => sum + priceCents * quantity, 0);
  return {
    channel: random.pick(CHANNELS),
    created_at: order.at,
    currency: 'EUR',
    customer: customer(random),
    items,
    notes: random.below(4) === 0 ? 'Please leave the parcel with the neighbours if nobody answers the door.' : '',
    order_id: order.id,
    session: random.hex(4),
    total: totalCents / 100,
    trace: random.hex(8),
    updated_at: order.at,
  };
}

/** What each step adds; the server merges it into the context. */
export function eventPayload(random: Random, event: string, at: string): Context {
  const change = { trace: random.hex(8), updated_at: at };
  switch (event) {
    case 'PAY':
      return { payment: { at, method: random.pick(METHODS), reference: random.hex(4) }, ...change };
    case 'INVOICE':
      return { invoice: { at, number: `INV-${random.below(10 ** 8)}`, signature: random.hex(8) }, ...change };
    case 'PICK':
      return {
        picking: { at, bin: `${random.pick(['A', 'B', 'C'])}-${random.below(90)}`, by: `picker-${random.below(40)}` },
        updated_at: at,
      };
    case 'PACK':
      return { packing: { at, boxes: 1 + random.below(3), weight_grams: 120 + random.below(9000) }, ...change };
    case 'SHIP':
      return {
        shipping: { at, carrier: random.pick(CARRIERS), tracking: `00${random.below(10 ** 9)}${random.below(10 ** 9)}` },
        updated_at: at,
      };
    default:
      return { [event.toLowerCase()]: { at, by: `agent-${random.below(200)}` }, ...change };
  }
}

function orderItem(random: Random): {
  name: string;
  priceCents: number;
  quantity: number;
  serial: string;
  sku: string;
  attributes: Context;
} {
  return {
    attributes: { colour: random.pick(COLOURS), gift: random.below(8) === 0, warehouse: `W${random.below(6)}` },
    name: random.pick(THINGS),
    priceCents: 199 + random.below(20_000),
    quantity: 1 + random.below(4),
    serial: random.hex(1),
    sku: `SKU-${100_000 + random.below(4000)}`,
  };
}

function customer(random: Random): Context {
  const [first, last] = [random.pick(FIRST_NAMES), random.pick(LAST_NAMES)];
  const number = random.below(20_000);
  return {
    address: {
      city: random.pick(CITIES),
      country: 'CH',
      street: `${random.pick(STREETS)} ${1 + random.below(200)}`,
      zip: `${1000 + random.below(9000)}`,
    },
    email: `${first}.${last}.${number}@mail.example`.toLowerCase(),
    id: `cus_${random.hex(2)}`,
    loyalty: number % 3 === 0,
    name: `${first} ${last}`,
    phone: `+41 7${random.below(10)} ${100 + random.below(900)} ${10 + random.below(90)} ${10 + random.below(90)}`,
  };
}
