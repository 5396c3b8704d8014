import { assert } from '../../core/errors/assert.ts';
import { parseWalOffset, type WalOffset } from '../../core/wal/wal-offset.ts';
import { countMember, objectText, offsetMember, rawMember, rawMembers, textMember, unexpectedMember } from './answer.ts';
import { serverCodeOf } from './connection-error.ts';
import type { RstmdbClient } from './rstmdb-client.ts';

/** About 7.5 MiB of answer with short ids; above 16 MiB the server would close the connection. @see instancePages */
export const LIST_PAGE_INSTANCES_MAX = 50_000;

export type InstanceSummary = { id: string; machine: string; version: number; state: string; lastWalOffset: WalOffset };

/** `sizeBytes`: of the answer that it came in. */
export type InstancePage = { instances: InstanceSummary[]; total: number; sizeBytes: number };

/** `ctxText` is raw JSON, as the server writes it: its numbers keep their text. */
export type Instance = InstanceSummary & { ctxText: string };

export type InstanceCreation = { id: string; machine: string; version: number; ctxText?: string };

export type EventApplication = { instanceId: string; event: string; payloadText?: string };

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
  });
  const members = rawMembers(await client.request('APPLY_EVENT', params));
  return { toState: textMember(members, 'to_state'), offset: offsetMember(members, 'wal_offset') };
}

/** Twice: the server answers and logs the same again. */
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
