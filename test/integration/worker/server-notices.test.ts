import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { ActivityDeps } from '../../../src/activities/activity-deps.ts';
import { agentConfigSchema } from '../../../src/config/agent-config.ts';
import { createEvents } from '../../../src/worker/agent-deps.ts';
import type { Logger } from '../../../src/worker/telemetry/agent-logger.ts';
import { createServerNotices } from '../../../src/worker/watch/ownership.ts';
import { startRstmdb } from '../../support/rstmdb-server.ts';

test.each([
  ['true', 1],
  ['false', 0],
])('the agent’s log says once that automatic compaction is on (%s)', async (isEnabled, count) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'rstow-notices-'));
  const server = await startRstmdb({ dataDir, env: { RSTMDB_COMPACT_ENABLED: isEnabled } });
  try {
    const database = { server: { address: server.address }, dataDir, repositories: ['local'] };
    const config = agentConfigSchema.parse({
      agent: { stateDir: join(dataDir, 'state') },
      temporal: {},
      repositories: { local: { kind: 'folder', path: '/backup' } },
      databases: { orders: database },
    });
    const logger = { warn: vi.fn() };
    const notices = createServerNotices({ config, events: createEvents(logger as unknown as Logger) } as ActivityDeps);
    await notices('orders');
    await notices('orders');
    expect(logger.warn).toHaveBeenCalledTimes(count);
    for (const [facts, sentence] of logger.warn.mock.calls) {
      expect(facts).toMatchObject({ database: 'orders', compaction: { isOn: true } });
      expect(sentence).toMatch(/compaction/);
    }
  } finally {
    await server.kill();
    await rm(dataDir, { recursive: true, force: true });
  }
});
