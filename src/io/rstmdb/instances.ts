import { assert } from '../../core/errors/rstow-error.ts';
import { parseWalOffset, type WalOffset } from '../../core/wal/wal-offset.ts';
import { countMember, objectText, offsetMember, rawMember, rawMembers, textMember, unexpectedMember } from './protocol.ts';
import { isCutOff, serverCodeOf } from './connection-error.ts';
import type { RstmdbClient } from './rstmdb-client.ts';

/** About 7.5 MiB of answer with short ids; above 16 MiB the server would close the connection. @see instancePages */
export const LIST_PAGE_INSTANCES_MAX = 50_000;

type InstanceSummary = { id: string; machine: string; version: number; state: string; lastWalOffset: WalOffset };

/** `sizeBytes`: of the answer that it came in. */
type InstancePage = { instances: InstanceSummary[]; total: number; sizeBytes: number };

/** `ctxText` is raw JSON, as the server writes it: its numbers keep their text. */
export type Instance = InstanceSummary & { ctxText: string };

type InstanceCreation = { id: string; machine: string; version: number; ctxText?: string };

type EventApplication = {
  instanceId: string;
  event: string;
  payloadText?: string;
  eventId?: string | undefined;
  /** Of the instance's last record; the server refuses with CONFLICT if another one has come since. */
  expectedOffset?: WalOffset;
};

/** One page in the server's own order, which changes under writes. Each call costs the server a copy of every instance. */
export async function listInstances(client: RstmdbClient, page: { limit: number; offset: number }): Promise<InstancePage> {
  assert(page.limit > 0 && page.limit <= LIST_PAGE_INSTANCES_MAX, 'a page of instances fits in a frame');
  const resultText = await client.request('LIST_INSTANCES', objectText({ limit: String(page.limit), offset: String(page.offset) }));
  const members = rawMembers(resultText);
  const items: unknown = JSON.parse(quoteOffsets(rawMember(members, 'instances')));
  if (!Array.isArray(items)) throw unexpectedMember('instances');
  return { instances: items.map(summaryOf), total: countMember(members, 'total'), sizeBytes: Buffer.byteLength(resultText) };
}

/** Undefined where there is no such instance. */
export async function getInstance(client: RstmdbClient, id: string): Promise<Instance | undefined> {
  try {
    const members = rawMembers(await client.request('GET_INSTANCE', objectText({ instance_id: JSON.stringify(id) })));
    return {
      id,
      machine: textMember(members, 'machine'),
      version: countMember(members, 'version'),
      state: textMember(members, 'state'),
      ctxText: rawMember(members, 'ctx'),
      lastWalOffset: offsetMember(members, 'last_wal_offset'),
    };
  } catch (error) {
    if (serverCodeOf(error) === 'INSTANCE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** The offset is where the record begins. Fails: server-refused with INSTANCE_EXISTS, MACHINE_NOT_FOUND. */
export async function createInstance(client: RstmdbClient, creation: InstanceCreation): Promise<WalOffset> {
  const params = objectText({
    instance_id: JSON.stringify(creation.id),
    machine: JSON.stringify(creation.machine),
    version: String(creation.version),
    initial_ctx: creation.ctxText,
  });
  return offsetMember(rawMembers(await client.request('CREATE_INSTANCE', params)), 'wal_offset');
}

export async function applyEvent(client: RstmdbClient, application: EventApplication): Promise<{ toState: string; offset: WalOffset }> {
  const params = objectText({
    instance_id: JSON.stringify(application.instanceId),
    event: JSON.stringify(application.event),
    payload: application.payloadText,
    event_id: application.eventId === undefined ? undefined : JSON.stringify(application.eventId),
    expected_wal_offset: application.expectedOffset?.toString(),
  });
  const members = rawMembers(await client.request('APPLY_EVENT', params));
  return { toState: textMember(members, 'to_state'), offset: offsetMember(members, 'wal_offset') };
}

/** Twice: the same answer, and no second record. */
export async function deleteInstance(client: RstmdbClient, id: string): Promise<WalOffset> {
  return offsetMember(rawMembers(await client.request('DELETE_INSTANCE', objectText({ instance_id: JSON.stringify(id) }))), 'wal_offset');
}

/** Makes strings of the offsets, which JSON.parse would round. No string can hold this text: its quotes would be escaped. */
function quoteOffsets(listText: string): string {
  return listText.replaceAll(/"last_wal_offset":([0-9]+)/g, '"last_wal_offset":"$1"');
}

function summaryOf(item: {
  id?: unknown;
  machine?: unknown;
  version?: unknown;
  state?: unknown;
  last_wal_offset?: unknown;
}): InstanceSummary {
  const { id, machine, version, state, last_wal_offset: offsetText } = item;
  const lastWalOffset = typeof offsetText === 'string' ? parseWalOffset(offsetText) : undefined;
  if (lastWalOffset === undefined) throw unexpectedMember('last_wal_offset');
  if (typeof id !== 'string' || typeof machine !== 'string' || typeof version !== 'number' || typeof state !== 'string') {
    throw unexpectedMember('instances');
  }
  return { id, machine, version, state, lastWalOffset };
}

/** Opens a connection of the caller's own: one that the server has closed is of no use any more. */
export type Connector = () => Promise<RstmdbClient>;

const FIRST_PAGE_INSTANCES = 1_000;
/** Well below the 16 MiB at which the server closes the connection: the next page's ids may be longer. */
const PAGE_SIZE_BYTES_WANTED = 6 * 1024 * 1024;
const GROWTH_MAX = 8;
const SHRINKAGE = 4;

/**
 * Every instance's summary, a page at a time. Ids may be so long that the server can't send a page: then it closes the
 * connection, and a smaller page is asked for on a new one. Each call costs the server a copy of every instance.
 * Fails: server-unreachable, also where a single summary is above 16 MiB; server-refused.
 */
export async function* instancePages(connect: Connector): AsyncGenerator<InstancePage, void, undefined> {
  let client = await connect();
  let limit = FIRST_PAGE_INSTANCES;
  try {
    for (let offset = 0; ;) {
      const page = await unlessCutOff(listInstances(client, { limit, offset }), limit);
      if (page === undefined) {
        limit = Math.ceil(limit / SHRINKAGE);
        await client.close();
        client = await connect();
        continue;
      }
      yield page;
      offset += limit;
      if (offset >= page.total) return;
      limit = nextLimit(limit, page.sizeBytes);
    }
  } finally {
    await client.close();
  }
}

/** Undefined where a smaller page may be answered. */
async function unlessCutOff(asking: Promise<InstancePage>, limit: number): Promise<InstancePage | undefined> {
  try {
    return await asking;
  } catch (error) {
    if (limit > 1 && isCutOff(error)) return undefined;
    throw error;
  }
}

function nextLimit(limit: number, sizeBytes: number): number {
  const growth = Math.min(GROWTH_MAX, PAGE_SIZE_BYTES_WANTED / Math.max(1, sizeBytes));
  return Math.min(LIST_PAGE_INSTANCES_MAX, Math.max(1, Math.floor(limit * growth)));
}

/** The server answers a connection's requests one after another: a window only has to hide the way there and back. */
const IN_FLIGHT_MAX = 500;
/** What answers that nobody has taken yet may hold; with large instances fewer requests are in flight. */
const BUFFERED_BYTES_MAX = 64 * 1024 * 1024;
const FIRST_GUESS_BYTES = 4 * 1024 * 1024;

/**
 * Gets the instances in the order of their ids; undefined stands for one that is missing.
 * A slow taker slows the requests down: no more than a window of them is ever ahead of it.
 */
export async function* getInstances(client: RstmdbClient, ids: Iterable<string>): AsyncGenerator<Instance | undefined, void, undefined> {
  const inFlight: Promise<Instance | undefined>[] = [];
  let answerBytes = FIRST_GUESS_BYTES;
  for (const id of ids) {
    const request = getInstance(client, id);
    // It is awaited in its turn; until then, and if the taker stops early, its failure must not end the process.
    request.catch(() => undefined);
    inFlight.push(request);
    while (inFlight.length >= windowFor(answerBytes)) {
      const instance = await inFlight.shift();
      answerBytes = Math.max(instance?.ctxText.length ?? 0, answerBytes / 2);
      yield instance;
    }
  }
  for (const request of inFlight) yield await request;
}

function windowFor(answerBytes: number): number {
  return Math.max(1, Math.min(IN_FLIGHT_MAX, Math.floor(BUFFERED_BYTES_MAX / Math.max(answerBytes, 1))));
}
