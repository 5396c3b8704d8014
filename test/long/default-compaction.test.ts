import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../src/database/database.ts';
import { guardState } from '../../src/database/guard-state.ts';
import { readGuardFile } from '../../src/io/data-directory/guard-pins.ts';
import { guardPinFolder } from '../../src/io/data-directory/pins.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import { startAgent } from '../support/agent-process.ts';
import { writeCounters } from '../support/compactable-log.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { sourceDigest } from '../support/odd-source.ts';
import { waitUntil } from '../support/wait-until.ts';

/** The server's own defaults, which the other tests turn off. */
const DEFAULTS = { RSTMDB_COMPACT_ENABLED: 'true', RSTMDB_WAL_SEGMENT_SIZE_MB: '64', RSTMDB_FSYNC_POLICY: 'never' };
const FIRST = '0000000000000001.wal';

/** The server looks 60 seconds after its start, and takes its time for the snapshots. */
const COMPACTION_MS = 220_000;

/** 120 MB of log: every counter is created in the first segment, and was changed last in the second one. */
async function largeLog(): Promise<DatabaseStack> {
  const stack = await makeDatabaseStack({ temporalAddress: '127.0.0.1:1', segmentSizeMb: 64, serverEnv: DEFAULTS });
  onTestFinished(() => stack.remove());
  await writeCounters(stack.address, { count: 390, textBytes: 100_000 });
  await writeCounters(stack.address, { count: 0 });
  const sizeBytes = ((await listSegments(stack.walDir)) ?? []).reduce((sum, file) => sum + file.sizeBytes, 0);
  expect(sizeBytes).toBeGreaterThan(110e6);
  return stack;
}

async function restart({ service, startServer }: DatabaseStack): Promise<void> {
  await service.stop();
  await startServer();
}

it.concurrent(
  'two restarts of a server with the default config lose machines and instances without rstow',
  async () => {
    const stack = await largeLog();
    const before = await sourceDigest(stack);
    await restart(stack);
    expect(await sourceDigest(stack)).toBe(before);
    const isFirstThere = (): Promise<boolean> =>
      stat(join(stack.walDir, FIRST)).then(
        () => true,
        () => false,
      );
    await waitUntil('the server has compacted', async () => !(await isFirstThere()), COMPACTION_MS);
    await restart(stack);
    expect(await sourceDigest(stack)).not.toBe(before);
  },
  400_000,
);

it.concurrent(
  'two restarts, and one more, lose nothing beside an agent, though that never reaches its Temporal',
  async () => {
    const stack = await largeLog();
    const agent = await startAgent({ configFile: stack.configFile, waitsForReady: false });
    onTestFinished(() => void agent.kill('SIGKILL'));
    const folder = guardPinFolder(stack.dataDir, '0001');
    await waitUntil('the log is pinned', async () => (await guardState(openDatabase(stack, DATABASE))).kind === 'on');
    const before = await sourceDigest(stack);
    await restart(stack);
    expect(await sourceDigest(stack)).toBe(before);
    await waitUntil('the guard has linked back', async () => ((await readGuardFile(folder))?.linked.length ?? 0) > 0, COMPACTION_MS);
    await waitUntil('nothing is missing', async () => {
      const state = await guardState(openDatabase(stack, DATABASE));
      return state.kind === 'on' && state.missing.length === 0;
    });
    for (let start = 2; start <= 3; start += 1) {
      await restart(stack);
      expect(await sourceDigest(stack), `restart ${start}`).toBe(before);
    }
    expect(agent.logText()).toContain('linked back');
    await agent.kill();
  },
  400_000,
);
