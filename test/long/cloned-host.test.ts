/** Another machine that was made of the same image: its disk and its ids are the first one's, and it shares the repository and Temporal with it. */
import { cp, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { Binding } from '../../src/formats/agent-state.ts';
import { makeSegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import type { DatabaseStack } from '../support/database-stack.ts';
import { archivedBytes } from '../support/direct-archive.ts';
import { directDeps } from '../support/direct-backup.ts';
import { canMakeNetworkNamespace, forwardTcp, makeNetworkNamespace, type NetworkNamespace } from '../support/network-namespace.ts';
import { writeOrders } from '../support/odd-source.ts';
import { startRstmdb } from '../support/rstmdb-server.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { makeStandbyHost } from '../support/standby-host.ts';
import { waitUntil } from '../support/wait-until.ts';

const FIRST = makeSegmentId(1)!;

const isPossible = canMakeNetworkNamespace();
const bundle = { workflowBundlePath: inject('workflowBundlePath') };

let scene: Scene;
let network: NetworkNamespace;
let temporal: Awaited<ReturnType<typeof forwardTcp>>;
let clone: AgentProcess | undefined;

beforeAll(async () => {
  if (!isPossible) return;
  const archive = { enabled: true, intervalMs: 100, tidyMs: 500 };
  scene = await openScene({ temporalAddress: inject('temporalAddress'), ...bundle }, { database: { archive } });
  network = await makeNetworkNamespace();
  temporal = await forwardTcp(network.outsideAddress, scene.temporalAddress);
});

afterAll(async () => {
  if (!isPossible) return;
  await clone?.kill('SIGKILL');
  temporal.close();
  await network.remove();
  await scene.close();
});

/** The log as it is archived, once all of it is. */
async function archived(): Promise<Buffer> {
  const deps = directDeps(scene.stack);
  let bytes: Buffer = Buffer.alloc(0);
  await waitUntil('the archive has the whole log', async () => {
    const file = await readFile(join(scene.stack.walDir, segmentFileName(FIRST)));
    bytes = await archivedBytes(deps, FIRST);
    return bytes.equals(file);
  });
  return bytes;
}

/** Copies what a host has. Nothing in its state directory shows that it is a copy, as on the disk of a cloned machine. */
async function copyHost(from: DatabaseStack, to: DatabaseStack): Promise<void> {
  const { stateDir } = to.config.agent;
  await cp(from.dataDir, to.dataDir, { recursive: true });
  await cp(from.config.agent.stateDir, stateDir, { recursive: true });
  const path = join(stateDir, 'installation-binding.json');
  const { dev, ino } = await stat(stateDir, { bigint: true });
  const bound = JSON.parse(await readFile(path, 'utf8')) as Binding;
  const { inode, ...rest } = bound;
  await writeFile(path, JSON.stringify({ ...rest, device: dev.toString(), ...(inode === undefined ? {} : { inode: ino.toString() }) }));
}

it.skipIf(!isPossible)('stores nothing from a clone that starts while the first host is followed (needs root and `ip`)', async () => {
  const { stack } = scene;
  await writeOrders(stack.address, 20);
  await archived();
  const host = await makeStandbyHost(stack, {
    name: 'clone',
    address: `${network.insideAddress}:7401`,
    temporalAddress: temporal.address,
    database: { standby: false },
  });
  await copyHost(stack, host);
  const server = await startRstmdb({ dataDir: host.dataDir, env: { RSTMDB_COMPACT_ENABLED: 'false' } });
  await writeOrders(server.address, 30, 'of the clone');
  await server.stop();
  const starting = await startAgent({ configFile: host.configFile, enter: network.enter, ...bundle, waitsForReady: false });
  clone = starting;
  const state = { isOver: false };
  const ended = starting.ended.finally(() => {
    state.isOver = true;
  });
  // The first one goes on as if nothing was.
  for (let serial = 0; !state.isOver; serial += 1) {
    await writeOrders(stack.address, 2, `meanwhile-${serial}`);
    await archived();
  }
  expect(await ended).toBe(14);
  expect(starting.logText()).toContain('installation-cloned');
  expect((await archived()).includes('of the clone')).toBe(false);
  expect(scene.agent.logText()).not.toContain('timeline-diverged');
});
