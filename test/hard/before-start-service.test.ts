import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { finishStopNote } from '../../src/database/finish-stop-note.ts';
import { openDatabase } from '../../src/database/database.ts';
import { createGuard } from '../../src/database/guard-look.ts';
import { writeStopNote } from '../../src/io/data-directory/rstow-folder.ts';
import { planStop } from '../../src/io/data-directory/swap.ts';
import { compactNow, writeCounters } from '../support/compactable-log.ts';
import { DATABASE, type DatabaseStack, stackOf } from '../support/database-stack.ts';
import { backUp, restoreInPlace } from '../support/direct-backup.ts';
import { makeOddSource, sourceDigest } from '../support/odd-source.ts';
import { toolPath } from '../support/tools.ts';

const CLI_MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** A server as systemd starts one: the command fails, and nothing starts, if what stands before the start does. */
async function unitLike(): Promise<DatabaseStack> {
  const first = await makeOddSource({ segmentSizeMb: 0, database: { rehearsal: { policy: 'off' } } });
  onTestFinished(() => first.remove());
  await writeCounters(first.address, { count: 8 });
  await first.service.stop();
  const { folder, dataDir, address, plain } = first;
  const [script, pidFile, log] = ['start.sh', 'server.pid', 'starts.log'].map((name) => join(folder, name)) as [string, string, string];
  const service = {
    kind: 'commands',
    start: ['sh', script],
    stop: ['sh', '-c', `kill -INT $(cat ${pidFile}) 2>/dev/null; while kill -0 $(cat ${pidFile}) 2>/dev/null; do sleep 0.05; done`],
    status: ['sh', '-c', `kill -0 $(cat ${pidFile})`],
  };
  const database = { ...plain.databases[DATABASE], service };
  const stack = await stackOf({ ...plain, databases: { [DATABASE]: database } }, { folder, dataDir, repositoryDir: first.repositoryDir });
  const env = `RSTMDB_DATA=${dataDir} RSTMDB_BIND=${address} RSTMDB_WAL_SEGMENT_SIZE_MB=0 RSTMDB_COMPACT_ENABLED=false RSTMDB_METRICS_ENABLED=false`;
  await writeFile(
    script,
    `set -e
${process.execPath} --disable-warning=ExperimentalWarning ${CLI_MAIN} guard --before-start ${DATABASE} --config ${stack.configFile} >> ${log} 2>&1
${env} setsid ${toolPath('rstmdb')} > /dev/null 2>&1 < /dev/null &
echo $! > ${pidFile}
`,
  );
  onTestFinished(() => stack.service.stop());
  await stack.startServer();
  await createGuard(openDatabase(stack, DATABASE)).look();
  return stack;
}

const startsOf = ({ folder }: DatabaseStack): Promise<string> => readFile(join(folder, 'starts.log'), 'utf8');

it('a restore in place starts a server whose own start is prepared by rstow, and waits for nothing', async () => {
  const stack = await unitLike();
  const before = await sourceDigest(stack);
  const { label } = await backUp(stack);
  await writeCounters(stack.address, { count: 1, prefix: 'later' });
  await restoreInPlace(stack, label);
  expect(await sourceDigest(stack)).toBe(before);
  await compactNow(stack);
  await stack.service.stop();
  await stack.startServer();
  expect(await sourceDigest(stack)).toBe(before);
  expect(await startsOf(stack)).toMatch(/^orders: linked back: segments 1 to [0-9]+, which compaction had deleted\n$/);
});

it('whoever finishes the stop note of a run that died does so too', async () => {
  const stack = await unitLike();
  const before = await sourceDigest(stack);
  await compactNow(stack);
  await stack.service.stop();
  const nowMs = Date.now();
  const common = { format: 1, runId: 'run-1', database: DATABASE, phase: 'stopping', createdAtMs: nowMs, deadlineMs: nowMs } as const;
  const note = { ...common, kind: 'stopped', ...(await planStop(stack.dataDir, 'run-1')), holder: { pid: 1, startTicks: 1 } } as const;
  await writeStopNote(stack.dataDir, note);
  expect(await finishStopNote(openDatabase(stack, DATABASE))).toEqual({ inPlace: 'old' });
  expect(await sourceDigest(stack)).toBe(before);
});
