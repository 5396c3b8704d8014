/** docs/recovery.md is followed to the letter: its script, a real backup, a real server. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { readBaselineFile } from '../../src/io/data-directory/rstow-folder.ts';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { makeDatabaseStack, type DatabaseStack } from '../support/database-stack.ts';
import { archiveLog } from '../support/archive-log.ts';
import { backUp, directDeps, restoreInPlace } from '../support/direct-backup.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { withClient } from '../support/odd-source.ts';
import { startRstmdb } from '../support/rstmdb-server.ts';

const PAGE = new URL('../../docs/recovery.md', import.meta.url);
const RESTARTS = 2;
const HISTORY_DAYS = 1;

let stack: DatabaseStack;
let folder: string;
let scriptFile: string;
let appendFile: string;
let manifest: Manifest;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-recovery-page-'));
  scriptFile = join(folder, 'restore-wal.sh');
  const [restoreWal, appendArchive] = await scriptsOfPage();
  await writeFile(scriptFile, restoreWal);
  appendFile = join(folder, 'append-archive.sh');
  await writeFile(appendFile, appendArchive);
  stack = await makeDatabaseStack({ temporalAddress: 'none:1', segmentSizeMb: 1, database: { restore: { historyDays: HISTORY_DAYS } } });
  // Two backups, so that segments are stored in more than one piece.
  await writeSome('first');
  await backUp(stack);
  await writeSome('second');
  manifest = await backUp(stack);
  await stack.service.stop();
});

afterAll(async () => {
  await stack.remove();
  await rm(folder, { recursive: true, force: true });
});

test('the recovery page gives back, with a shell and zstd alone, the state that was backed up', async () => {
  const dataDir = join(folder, 'restored');
  expect(await runScript(stack.repositoryDir, dataDir)).toMatchObject({ failed: false });
  expect(manifest.segments.some(({ ranges }) => ranges.length > 1)).toBe(true);
  for (let start = 0; start < RESTARTS; start += 1) {
    const server = await startRstmdb({ dataDir });
    try {
      const settings = { ...stack.settings, server: { ...stack.settings.server, address: server.address } };
      const live = await liveDigest(settings, stack.config.timing, AbortSignal.timeout(20_000));
      expect(live).toMatchObject({ stateDigest: manifest.stateDigest, machines: manifest.machines, instances: manifest.instances });
    } finally {
      await server.stop();
    }
  }
});

test('the recovery page refuses a piece with one flipped byte and leaves no wal/', async () => {
  const repositoryDir = join(folder, 'damaged');
  await cp(stack.repositoryDir, repositoryDir, { recursive: true });
  await flipByteOfOnePiece(join(repositoryDir, 'databases/orders/wal'));
  const dataDir = join(folder, 'never');
  const { failed, output } = await runScript(repositoryDir, dataDir);
  expect(failed).toBe(true);
  expect(output).toMatch(/restore-wal: .*\.wal\.zst is damaged/);
  expect(await readdir(dataDir)).not.toContain('wal');
});

test('the next backup goes on from a log that the recovery page put in place', async () => {
  await rm(stack.walDir, { recursive: true });
  expect(await runScript(stack.repositoryDir, stack.dataDir)).toMatchObject({ failed: false });
  await stack.startServer();
  await writeSome('third');
  const next = await backUp(stack);
  expect(next.timeline).toBe(manifest.timeline);
  for (const { segment, ranges } of [manifest, next].flatMap(({ segments }) => segments)) {
    const log = await readFile(join(stack.walDir, segmentFileName(segment)));
    for (const { startBytes, endBytes, sha256 } of ranges) expect(hashOf(log.subarray(startBytes, endBytes))).toBe(sha256);
  }
  expect(next.instances).toBeGreaterThan(manifest.instances);
});

test('the recovery page gives back a log that begins with a baseline, and lets it say so', async () => {
  const writeFat = (prefix: string): Promise<void> =>
    withClient(stack.address, async (client) => {
      const ctxText = JSON.stringify({ fat: 'x'.repeat(100_000) });
      for (let serial = 0; serial < 25; serial += 1)
        await createInstance(client, { id: `${prefix}-${serial}`, machine: 'order', version: 1, ctxText });
    });
  await writeFat('old');
  const old = await backUp(stack);
  await writeFat('new');
  const aged = await backUp(stack, { startedAtMs: old.writtenAtMs + HISTORY_DAYS * 24 * 3600 * 1000 });
  await restoreInPlace(stack, aged.label);
  const { label, segments, stateDigest, restorable } = await backUp(stack);
  expect(restorable).toBe('from-baseline');
  const dataDir = join(folder, 'baselined');
  expect(await runScript(stack.repositoryDir, dataDir, label)).toMatchObject({ failed: false });
  const names = segments.map(({ segment }) => segmentFileName(segment));
  expect((await readdir(join(dataDir, 'wal'))).sort()).toEqual([...names, 'rstow-baseline.json', 'rstow-timeline.json']);
  expect(await readBaselineFile(join(dataDir, 'wal'))).toMatchObject({ segment: segments[0]?.segment });
  const server = await startRstmdb({ dataDir });
  try {
    const settings = { ...stack.settings, server: { ...stack.settings.server, address: server.address } };
    expect(await liveDigest(settings, stack.config.timing, AbortSignal.timeout(20_000))).toMatchObject({ stateDigest });
  } finally {
    await server.stop();
  }
});

test('the recovery page adds what the archive holds beyond the backup, and says where something is missing', async () => {
  const { label, timeline, segments } = await backUp(stack);
  const from = new Map(segments.map(({ segment, ranges }) => [segment, ranges.at(-1)?.endBytes ?? 0]));
  const store = await directDeps(stack).openStore(manifest.database);
  const look = archiveLog(store, { timeline, walDir: stack.walDir, from });
  const looks = [];
  for (const prefix of ['fourth', 'fifth']) {
    await writeSome(prefix);
    looks.push(...(await look()));
  }
  const { stateDigest } = await liveDigest(stack.settings, stack.config.timing, AbortSignal.timeout(20_000));
  const dataDir = join(folder, 'appended');
  expect(await runScript(stack.repositoryDir, dataDir, label)).toMatchObject({ failed: false });
  expect(await runProgram([appendFile, stack.repositoryDir, manifest.database, timeline, dataDir])).toMatchObject({ failed: false });
  const server = await startRstmdb({ dataDir });
  try {
    const settings = { ...stack.settings, server: { ...stack.settings.server, address: server.address } };
    expect(await liveDigest(settings, stack.config.timing, AbortSignal.timeout(20_000))).toMatchObject({ stateDigest });
  } finally {
    await server.stop();
  }
  await store.stream.remove(looks.slice(0, 1));
  const holed = join(folder, 'holed');
  await runScript(stack.repositoryDir, holed, label);
  const { failed, output } = await runProgram([appendFile, stack.repositoryDir, manifest.database, timeline, holed]);
  expect({ failed, output }).toEqual({ failed: true, output: expect.stringMatching(/append-archive: .* the log ends there/) as string });
});

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function scriptsOfPage(): Promise<[restoreWal: string, appendArchive: string]> {
  const blocks = [...(await readFile(PAGE, 'utf8')).matchAll(/^```sh\n(#!\/bin\/sh\n[^]*?)^```$/gm)].map((match) => match[1] ?? '');
  expect(blocks).toHaveLength(2);
  return blocks as [string, string];
}

async function writeSome(prefix: string): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 4, prefix });
  await load.acknowledgedAtLeast(600);
  await load.stop();
}

function runScript(repositoryDir: string, dataDir: string, label = manifest.label): Promise<{ failed: boolean; output: string }> {
  return runProgram([scriptFile, repositoryDir, manifest.database, label, dataDir]);
}

async function runProgram(args: string[]): Promise<{ failed: boolean; output: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)('sh', args);
    return { failed: false, output: stdout + stderr };
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return { failed: true, output: stdout + stderr };
  }
}

async function flipByteOfOnePiece(walFolder: string): Promise<void> {
  const names = await readdir(walFolder, { recursive: true });
  const piece = names.sort().find((name) => name.endsWith('.wal.zst'));
  if (piece === undefined) throw new Error('the backup has stored no piece');
  await using handle = await open(join(walFolder, piece), 'r+');
  const { size } = await handle.stat();
  const byte = Buffer.alloc(1);
  const at = Math.floor(size / 2);
  await handle.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await handle.write(byte, 0, 1, at);
}
