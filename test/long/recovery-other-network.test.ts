/** The new host as another machine: it shares the repository with the lost one, and nothing else, not even a loopback interface. */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { endHolders } from '../../src/io/service/prove-stopped.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { canMakeNetworkNamespace, forwardTcp, makeNetworkNamespace, type NetworkNamespace } from '../support/network-namespace.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { makeStandbyHost } from '../support/standby-host.ts';

/** The address of the lost server too: each machine has its own. */
const PORT = 7401;

const isPossible = canMakeNetworkNamespace();

let scene: Scene;
let network: NetworkNamespace;
let temporal: Awaited<ReturnType<typeof forwardTcp>>;
let host: DatabaseStack;
let agent: AgentProcess | undefined;

beforeAll(async () => {
  if (!isPossible) return;
  scene = await openScene(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    { segmentSizeMb: 1 },
  );
  network = await makeNetworkNamespace();
  temporal = await forwardTcp(network.outsideAddress, scene.temporalAddress);
  host = await makeStandbyHost(scene.stack, { address: `${network.insideAddress}:${PORT}`, temporalAddress: temporal.address });
});

afterAll(async () => {
  if (!isPossible) return;
  await agent?.kill('SIGKILL');
  await host.remove();
  temporal.close();
  await network.remove();
  await scene.close();
});

async function write({ address }: DatabaseStack, count: number, prefix: string): Promise<void> {
  const load = await startLoadWriters({ address, writers: 4, prefix });
  await load.acknowledgedAtLeast(count);
  await load.stop();
}

it.skipIf(!isPossible)('recovers onto a host in a network of its own (needs root and `ip`)', async () => {
  await write(scene.stack, 500, 'first');
  const { label, stateDigest } = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  await scene.agent.kill('SIGKILL');
  await endHolders(scene.stack.dataDir, { graceMs: 0 });
  await rm(scene.stack.dataDir, { recursive: true });
  const bundle = { workflowBundlePath: inject('workflowBundlePath') };
  agent = await startAgent({ configFile: host.configFile, enter: network.enter, ...bundle });
  const result = await scene.temporal.execute<DisasterRecoveryResult>('disasterRecovery', { database: DATABASE });
  expect(result).toMatchObject({ outcome: 'done', label, stateDigest, agent: 'db2', generation: 2, skipped: [] });
  const live = await liveDigest(host.settings, host.config.timing, new AbortController().signal);
  expect(live.stateDigest).toBe(stateDigest);
  await write(host, 50, 'second');
  expect(await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE })).toMatchObject({ timeline: '0002' });
});
