import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ActivityDeps } from '../../../../src/activities/activity-deps.ts';
import { clearStaging, stageWal } from '../../../../src/activities/restore/stage-wal.ts';
import { planRestore } from '../../../../src/activities/restore/plan-restore.ts';
import { rehearse, type Rehearsed } from '../../../../src/activities/restore/rehearse.ts';
import type { DatabaseConfig } from '../../../../src/config/agent-config.ts';
import type { RunPort } from '../../../../src/activities/run-port.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../../support/database-stack.ts';
import { backUp, directDeps } from '../../../support/direct-backup.ts';
import { startLoadWriters } from '../../../support/load-writers.ts';
import { toolPath } from '../../../support/tools.ts';
import { waitUntil } from '../../../support/wait-until.ts';

const FAKE_SERVER = fileURLToPath(new URL('../../../support/fake-rcp-server.ts', import.meta.url));

let stack: DatabaseStack;

beforeAll(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1', timing: { serverRequestMs: 1_000 } });
  const load = await startLoadWriters({ address: stack.address, writers: 1 });
  await load.acknowledgedAtLeast(20);
  await load.stop();
  await backUp(stack);
});
afterAll(() => stack.remove());

type Staged = { rehearseOnce: () => Promise<Rehearsed>; clear: () => Promise<void> };

/** A restore into another directory, up to its rehearsal. */
async function stage(rehearsal: Record<string, unknown> = {}, changes: Partial<DatabaseConfig> = {}): Promise<Staged> {
  const config = structuredClone(stack.config);
  Object.assign(config.databases[DATABASE]!, changes);
  Object.assign(config.databases[DATABASE]!.rehearsal, rehearsal);
  const deps: ActivityDeps = { ...directDeps(stack), config };
  const signal = new AbortController().signal;
  const run = {
    workflowId: 'direct',
    runId: randomUUID(),
    signal,
    report: () => undefined,
    checkOpen: async () => undefined,
    chain: async () => undefined,
  } as RunPort;
  const dataDir = join(stack.folder, `elsewhere-${run.runId}`);
  const { repository, planKey } = await planRestore(deps)({ database: DATABASE, backup: 'latest', toDataDir: dataDir }, run);
  const at = { database: DATABASE, repository, planKey };
  await stageWal(deps)({ ...at, startedAtMs: Date.now() }, run);
  return { rehearseOnce: () => rehearse(deps)(at, run), clear: () => clearStaging()({ dataDir }, run) };
}

it('warns, and doesn’t fail, where the server boots and then stops answering', async () => {
  const program = join(stack.folder, 'silent.mts');
  await writeFile(
    program,
    `import { sendResult, startFakeRcpServer } from '${FAKE_SERVER}';
     const [address] = [process.env.RSTMDB_BIND ?? ''];
     const results = { WAL_STATS: '{"entry_count":1,"segment_count":1,"latest_offset":1}',
       LIST_INSTANCES: '{"instances":[{"id":"a","machine":"m","version":1,"state":"s","last_wal_offset":1}],"total":1}', LIST_MACHINES: '{"items":[]}' };
     await startFakeRcpServer((request, socket) => {
       if (request.op in results) sendResult(socket, request, results[request.op]);
     }, Number(address.split(':')[1]));`,
  );
  const { rehearseOnce, clear } = await stage({ command: [process.execPath, '--disable-warning=ExperimentalWarning', program] });
  const { rehearsal, warnings } = await rehearseOnce();
  expect(rehearsal).toBe('unfinished');
  expect(warnings).toEqual([{ code: 'comparison-unfinished', message: expect.stringContaining('showed 0 of 1 instances') as string }]);
  await clear();
});

it('boots the program of the server that runs, where the config names none; where none runs, it warns', async () => {
  const unmanaged = { service: { kind: 'none' as const } };
  const { rehearseOnce, clear } = await stage({}, unmanaged);
  expect(await rehearseOnce()).toEqual({ rehearsal: 'passed', warnings: [] });
  await stack.service.stop();
  const { rehearsal, warnings } = await rehearseOnce();
  await stack.startServer();
  expect(rehearsal).toBe('skipped');
  expect(warnings).toMatchObject([{ code: 'server-program-missing' }]);
  await clear();
});

it('is not misled by an earlier attempt that goes on beside it: each has a place and a server of its own', async () => {
  const slow = join(stack.folder, 'slow');
  await writeFile(slow, `#!/bin/sh\n: > ${slow}.begun\nsleep 1\nexec ${toolPath('rstmdb')}\n`, { mode: 0o755 });
  const { rehearseOnce, clear } = await stage({ command: [slow] });
  const overtaken = rehearseOnce().catch((error: unknown) => error);
  await waitUntil('the earlier attempt boots its server', () => Promise.resolve(existsSync(`${slow}.begun`)));
  const second = await rehearseOnce();
  expect(second).toEqual({ rehearsal: 'passed', warnings: [] });
  await overtaken;
  await clear();
});
