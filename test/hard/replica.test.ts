/** A replica's own log, whose segments are not those of its primary. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { replicationStatus } from '../../src/io/rstmdb/server.ts';
import type { DatabaseStack } from '../support/database-stack.ts';
import { backUp, checkNow } from '../support/direct-backup.ts';
import { makeOddSource, sourceDigest, withClient, writeOrders } from '../support/odd-source.ts';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import { type RstmdbServer, startRstmdb } from '../support/rstmdb-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const LARGE_TEXT = JSON.stringify({ text: 'x'.repeat(600_000) });

let folder: string;
let primary: RstmdbServer;
let stack: DatabaseStack;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-primary-'));
  await mkdir(join(folder, 'data'));
  primary = await startRstmdb({ dataDir: join(folder, 'data'), env: { RSTMDB_COMPACT_ENABLED: 'false', RSTMDB_REPL_ROLE: 'primary' } });
  const serverEnv = { RSTMDB_REPL_ROLE: 'replica', RSTMDB_REPL_UPSTREAM: primary.address };
  stack = await makeOddSource({ segmentSizeMb: 1, serverEnv });
  await writeOrders(primary.address, 3);
  await withClient(primary.address, async (client) => {
    for (const id of ['one', 'two', 'three', 'four'])
      await createInstance(client, { id, machine: 'order', version: 1, ctxText: LARGE_TEXT });
  });
  await waitUntil('the replica has caught up', async () => {
    const status = await withClient(primary.address, replicationStatus);
    return status.role === 'primary' && status.connected === 1 && status.replicas[0]?.lagEntries === 0;
  });
});

afterAll(async () => {
  await stack.remove();
  await primary.kill();
  await rm(folder, { recursive: true });
});

it('is backed up with nothing to be said against it, and its restart is safe', async () => {
  const manifest = await backUp(stack);
  expect(manifest.segments.length).toBeGreaterThan(1);
  expect(manifest).toMatchObject({ restorable: 'from-log', stateDigest: await sourceDigest(stack), warnings: [] });
  const { findings } = await checkNow(stack);
  expect(findings).toContainEqual(expect.objectContaining({ code: 'restart-safe' }));
});
