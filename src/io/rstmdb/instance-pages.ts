import { isCutOff } from './connection-error.ts';
import { type InstancePage, LIST_PAGE_INSTANCES_MAX, listInstances } from './instances.ts';
import type { RstmdbClient } from './rstmdb-client.ts';

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
