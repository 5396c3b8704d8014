/**
 * `node scripts/evidence/rebase.ts [MB]`: rebases a server whose log has outgrown its state, without Temporal. Prints what a start takes before
 * and after, in disk, time and memory, and whether the state is the same; docs/evidence.md keeps the outcome. Needs rstmdb on PATH.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { createInstance, deleteInstance } from '../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import { localDeps } from '../../src/local/local-deps.ts';
import { rebaseLocally } from '../../src/local/local-run.ts';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { databaseOwnership } from '../../src/worker/watch/ownership.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../test/support/database-stack.ts';

/** So many orders stay; all others are deleted again, and are only in the log. */
const LIVING = 2_000;
const AT_ONCE = 200;
const CTX = JSON.stringify({ note: 'x'.repeat(1_000), price: 1.5 });
const STARTS = 3;

const [megabytes = '200'] = process.argv.slice(2);
const stack = await makeDatabaseStack({ temporalAddress: '127.0.0.1:1', segmentSizeMb: 16, serverEnv: { RSTMDB_FSYNC_POLICY: 'never' } });
try {
  await writeLog(Number(megabytes) * 1e6);
  const digest = await digestOf(stack);
  const before = await startFigures('before');
  await databaseOwnership(await localDeps(stack.configFile), DATABASE);
  const watcher = { phase: () => undefined, report: () => undefined };
  const { outcome, log, downtimeMs, durationMs } = await rebaseLocally({
    configFile: stack.configFile,
    input: { database: DATABASE },
    watcher,
  });
  console.log(JSON.stringify({ outcome, log, downtimeMs, durationMs }));
  const after = await startFigures('after');
  const isSame = (await digestOf(stack)) === digest;
  console.log(`the state is ${isSame ? 'the same' : 'ANOTHER'} after ${STARTS} starts`);
  process.exitCode = isSame && after.startMs < before.startMs && after.logBytes < before.logBytes ? 0 : 1;
} finally {
  await stack.remove();
}

async function writeLog(sizeBytes: number): Promise<void> {
  const client = await connectRstmdb({ address: stack.address, connectTimeoutMs: 5_000, requestTimeoutMs: 60_000 });
  try {
    await putMachine(client, ORDER_MACHINE);
    const create = (id: string): Promise<unknown> => createInstance(client, { id, machine: 'order', version: 1, ctxText: CTX });
    for (let serial = 0; serial < LIVING; serial += AT_ONCE) await Promise.all(ids('kept', serial).map(create));
    for (let serial = 0; (await logBytes()) < sizeBytes; serial += AT_ONCE) {
      await Promise.all(ids('gone', serial).map(create));
      await Promise.all(ids('gone', serial).map((id) => deleteInstance(client, id)));
    }
  } finally {
    await client.close();
  }
}

function ids(prefix: string, from: number): string[] {
  return Array.from({ length: AT_ONCE }, (_, index) => `${prefix}-${from + index}`);
}

async function logBytes(): Promise<number> {
  const names = (await readdir(stack.walDir)).filter((name) => name.endsWith('.wal'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(stack.walDir, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Of the quickest of a few starts. */
async function startFigures(what: string): Promise<{ logBytes: number; startMs: number }> {
  let startMs = Number.POSITIVE_INFINITY;
  let peakMb = 0;
  for (let start = 0; start < STARTS; start += 1) {
    await stack.service.stop();
    const startedAtMs = performance.now();
    await stack.startServer();
    startMs = Math.min(startMs, Math.round(performance.now() - startedAtMs));
    peakMb = await peakMemoryMb();
  }
  const figures = { logBytes: await logBytes(), startMs, peakMb };
  console.log(JSON.stringify({ what, ...figures }));
  return figures;
}

async function peakMemoryMb(): Promise<number> {
  const { pid } = JSON.parse(await readFile(join(stack.folder, 'service/service.json'), 'utf8')) as { pid: number };
  const [, peakKb = '0'] = /VmHWM:\s+([0-9]+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(peakKb) / 1_000);
}

async function digestOf({ settings, config }: DatabaseStack): Promise<string> {
  return (await liveDigest(settings, config.timing, new AbortController().signal)).stateDigest;
}
