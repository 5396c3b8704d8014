import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { replicationStatus } from '../../../src/io/rstmdb/server.ts';
import { withClient, writeOrders } from '../../support/odd-source.ts';
import { type RstmdbServer, startRstmdb } from '../../support/rstmdb-server.ts';
import { waitUntil } from '../../support/wait-until.ts';

async function start(name: string, env: Record<string, string>): Promise<RstmdbServer> {
  const folder = await mkdtemp(join(tmpdir(), `rstow-${name}-`));
  await mkdir(join(folder, 'data'));
  const server = await startRstmdb({ dataDir: join(folder, 'data'), env: { RSTMDB_COMPACT_ENABLED: 'false', ...env } });
  onTestFinished(async () => {
    await server.kill();
    await rm(folder, { recursive: true });
  });
  return server;
}

test('a server says of its replicas, or its primary, how far they are behind', async () => {
  const standalone = await start('standalone', {});
  expect(await withClient(standalone.address, replicationStatus)).toEqual({ role: 'standalone' });
  const primary = await start('primary', { RSTMDB_REPL_ROLE: 'primary' });
  expect(await withClient(primary.address, replicationStatus)).toEqual({ role: 'primary', mode: 'async', connected: 0, replicas: [] });
  const replica = await start('replica', { RSTMDB_REPL_ROLE: 'replica', RSTMDB_REPL_UPSTREAM: primary.address });
  await writeOrders(primary.address, 3);
  await waitUntil('the replica has caught up', async () => {
    const status = await withClient(primary.address, replicationStatus);
    return status.role === 'primary' && status.connected === 1 && status.replicas[0]?.lagEntries === 0;
  });
  expect(await withClient(replica.address, replicationStatus)).toEqual({ role: 'replica', upstream: primary.address, lagEntries: 0 });
});
