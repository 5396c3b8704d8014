import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AgentProcess, startAgent } from '../../test/support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../test/support/database-stack.ts';
import { connectTestClient, type TestClient } from '../../test/support/run-workflow.ts';
import { startTemporalServer } from '../../test/support/temporal-server.ts';
import type { DataSet } from '../generator/data-set.ts';
import { growPlaced, placeBase } from '../generator/placed-data.ts';
import type { Costs } from '../measure/cost.ts';
import { processCost } from '../measure/process-cost.ts';
import { storedBytes } from '../measure/stored-bytes.ts';

const SEGMENT_SIZE_MB = 64;
/** A server replays a hundred megabytes in a second or more. */
const START_TIMEOUT_MS = 600_000;
/** As in production: on a busy machine a big log takes its time. */
const TIMING = { heartbeatMs: 30_000, stepGiveUpMs: 600_000, transferGiveUpMs: 86_400_000 };

type Scene = { stack: DatabaseStack; agent: AgentProcess; temporal: TestClient };

/** All steps once as whole workflows: a real server, a real Temporal, an agent; what the agent spends is measured. */
export async function workflowRound(data: DataSet): Promise<Costs> {
  const server = await startTemporalServer();
  try {
    const stack = await makeDatabaseStack({
      temporalAddress: server.address,
      segmentSizeMb: SEGMENT_SIZE_MB,
      // A rehearsal would measure a second server's start.
      database: { startTimeoutMs: START_TIMEOUT_MS, rehearsal: { policy: 'off' } },
      timing: TIMING,
    });
    try {
      return await withAgent(stack, server.address, data);
    } finally {
      await stack.remove();
    }
  } finally {
    await server.stop();
  }
}

async function withAgent(stack: DatabaseStack, address: string, data: DataSet): Promise<Costs> {
  await replaceData(stack, async () => {
    await rm(stack.dataDir, { recursive: true });
    await placeBase(data, stack.dataDir);
  });
  const agent = await startAgent({ configFile: stack.configFile });
  const temporal = await connectTestClient(address);
  try {
    return await measureSteps({ stack, agent, temporal }, data);
  } finally {
    await temporal.close();
    await agent.kill();
  }
}

async function measureSteps({ stack, agent, temporal }: Scene, data: DataSet): Promise<Costs> {
  const input = { database: DATABASE };
  const measure = async (type: string, more: object = {}) => ({
    ...(await processCost(agent.pid, () => temporal.execute(type, { ...input, ...more }))),
    storedBytes: await storedBytes(stack.repositoryDir),
  });
  const costs: Costs = { full: await measure('hotBackup'), unchanged: await measure('hotBackup') };
  await replaceData(stack, () => growPlaced(data, stack.dataDir));
  costs.grown = await measure('hotBackup');
  costs.verify = await measure('verifyBackup', { level: 'records' });
  costs.restore = await measure('restore', { backup: 'latest', to: { dataDir: join(stack.folder, 'elsewhere') } });
  return costs;
}

/** The data change while no server looks. */
async function replaceData(stack: DatabaseStack, change: () => Promise<void>): Promise<void> {
  await stack.service.stop();
  await change();
  await stack.startServer();
}
