/** Temporal and all its histories are gone: the repository and the host are enough, and a new Temporal goes on from there. */
import { statSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { currentOwner } from '../../src/store/ownership.ts';
import type { RunRecord } from '../../src/core/runs/run-record.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { PointInTimeRecoveryResult } from '../../src/contract/point-in-time-recovery.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { readStopNote } from '../../src/io/data-directory/rstow-folder.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { expectNothingLeft } from '../support/database-witness.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { interruptRstow, rstow, summaryOf } from '../support/rstow-command.ts';
import { connectTestClient, type TestClient } from '../support/run-workflow.ts';
import { startTemporalServer, type TemporalServer } from '../support/temporal-server.ts';
import { waitUntil } from '../support/wait-until.ts';

let stack: DatabaseStack;
let backup: HotBackupResult;
/** The same installation, at the Temporal that stands now. */
let configFile: string;
let newTemporal: TemporalServer;
let client: TestClient;
const agents: AgentProcess[] = [];

beforeAll(async () => {
  const lostTemporal = await startTemporalServer();
  try {
    stack = await makeDatabaseStack({ temporalAddress: lostTemporal.address, segmentSizeMb: 1 });
    const agent = await start(stack.configFile);
    await write('kept', 2000);
    const lostClient = await connectTestClient(lostTemporal.address);
    backup = await lostClient.execute<HotBackupResult>('hotBackup', { database: DATABASE });
    await lostClient.close();
    await agent.kill('SIGKILL');
  } finally {
    await lostTemporal.stop();
  }
});

afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.kill('SIGKILL')));
  await stack.remove();
});

async function start(file: string): Promise<AgentProcess> {
  const agent = await startAgent({ configFile: file, workflowBundlePath: inject('workflowBundlePath') });
  agents.push(agent);
  return agent;
}

async function write(prefix: string, count: number): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 4, prefix });
  await load.acknowledgedAtLeast(count);
  await load.stop();
}

async function stateNow(): Promise<string> {
  return (await liveDigest(stack.settings, stack.config.timing, new AbortController().signal)).stateDigest;
}

/** Of another installation on this host: its state directory was lost, or it is another host's. */
async function strangersConfig(state: string, changes: Record<string, unknown> = {}): Promise<string> {
  return stack.writeConfig({ name: 'db1', stateDir: join(stack.folder, state) }, changes);
}

async function pointAtNewTemporal(file: string): Promise<string> {
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(stack.config.temporal.address!, newTemporal.address));
  return file;
}

describe('rstow restore --without-temporal', () => {
  let doubtful: string;
  let lost: string;
  const restore = ['restore', DATABASE, '--without-temporal', '--yes', '--json', '--config'];

  it('shows the plan, and touches nothing', async () => {
    const before = await stat(stack.walDir);
    const planned = await rstow([...restore, stack.configFile, '--dry-run']);
    expect(planned).toMatchObject({ exitCode: 0 });
    expect(summaryOf(planned)).toMatchObject({ dryRun: true, label: backup.label, runId: expect.stringMatching(/^local-/) as string });
    expect((await stat(stack.walDir)).ino).toBe(before.ino);
    await expectNothingLeft(stack.dataDir);
  });

  it('refuses an installation that is not the owner, and tells of the way out', async () => {
    const refused = await rstow([...restore, await strangersConfig('strange')]);
    expect(refused).toMatchObject({ exitCode: 14 });
    expect(refused.stderr).toContain('error: owner-outdated: agent "db1" (generation 1) owns database "orders"');
    expect(refused.stderr).toContain('rstow adopt');
  });

  it('refuses where another person has to agree', async () => {
    const file = join(stack.folder, 'approval.yaml');
    const agent = { name: 'db1', stateDir: join(stack.folder, 'agent') };
    await writeFile(file, await readFile(await stack.writeConfig(agent, { approval: { for: ['restore'] } }), 'utf8'));
    const refused = await rstow([...restore, file]);
    expect(refused).toMatchObject({ exitCode: 16 });
    expect(await stateNow()).toBe(backup.stateDigest);
  });

  it('fills another directory', async () => {
    const dataDir = join(stack.folder, 'elsewhere');
    const filled = await rstow([...restore, stack.configFile, '--to-dir', dataDir]);
    expect(filled).toMatchObject({ exitCode: 0 });
    expect(summaryOf(filled)).toMatchObject({ dataDir, timeline: '0001', rehearsal: 'passed', stateDigest: backup.stateDigest });
    expect((await stat(join(dataDir, 'wal', '0000000000000001.wal'))).size).toBeGreaterThan(0);
  });

  it('fills another directory up to a point of the log', async () => {
    const { records = 0 } = backup;
    const restored = await rstow([...restore, stack.configFile, '--to-dir', join(stack.folder, 'point'), '--target-sequence', '500']);
    expect(restored).toMatchObject({ exitCode: 0 });
    const summary = summaryOf(restored) as PointInTimeRecoveryResult;
    expect(summary).toMatchObject({ rehearsal: 'passed', label: backup.label });
    expect(summary.records! - summary.point!.higher!.count).toBeLessThanOrEqual(500);
    expect(summary.records).toBeLessThan(records);
  });

  it('clears what it has fetched when a person interrupts, and leaves the server alone', async () => {
    const args = ['restore', DATABASE, '--without-temporal', '--yes', '--config', stack.configFile];
    const interrupted = await interruptRstow(args, { isReached: (stderr) => stderr.includes('fetching '), signal: 'SIGINT' });
    expect(interrupted).toMatchObject({ exitCode: 1, stdout: '' });
    expect(interrupted.stderr).toContain('error: cancelled: ');
    await expectNothingLeft(stack.dataDir);
    expect(await stateNow()).toBe(backup.stateDigest);
  });

  it('puts the backup back in place of what was written since, and keeps that', async () => {
    await write('lost', 500);
    lost = await stateNow();
    expect(lost).not.toBe(backup.stateDigest);
    const restored = await rstow([...restore, stack.configFile]);
    expect(restored).toMatchObject({ exitCode: 3 });
    const result = summaryOf(restored) as Partial<RestoreResult>;
    expect(result).toMatchObject({
      outcome: 'warnings',
      warnings: [{ code: 'no-backup-yet' }],
      rehearsal: 'passed',
      stateDigest: backup.stateDigest,
    });
    expect(await stateNow()).toBe(backup.stateDigest);
    expect((await stat(join(result.replacedAt!, 'wal'))).isDirectory()).toBe(true);
    expect(restored.stderr).toContain('make sure that none is');
  });

  it('leaves a record of each such run in the repository, also of what was refused or interrupted', async () => {
    const history = await rstow([
      'history',
      DATABASE,
      '--type',
      'restore',
      '--json',
      '--address',
      '127.0.0.1:1',
      '--config',
      stack.configFile,
    ]);
    const { records } = summaryOf(history) as { records: RunRecord[] };
    expect(records.every(({ runId, who }) => runId.startsWith('local-') && who !== undefined)).toBe(true);
    const states = records.map(({ state, failure, isDryRun }) => (isDryRun === true ? 'dry run' : (failure?.code ?? state)));
    expect(states).toEqual(['warnings', 'cancelled', 'done', 'approval-denied', 'owner-outdated', 'dry run']);
  });

  it('undoes that, and the undo as well', async () => {
    const undo = ['undo', DATABASE, '--without-temporal', '--yes', '--json', '--config', stack.configFile];
    expect(summaryOf(await rstow(undo))).toMatchObject({ stateDigest: lost, rehearsal: 'passed' });
    expect(await stateNow()).toBe(lost);
    expect(summaryOf(await rstow(undo))).toMatchObject({ stateDigest: backup.stateDigest });
    expect(await stateNow()).toBe(backup.stateDigest);
  });

  it('leaves the old data or the new ones, and a server on them, when it is killed in the swap', async () => {
    await write('doubtful', 300);
    doubtful = await stateNow();
    // The file that keeps servers from starting stands there from the stop to the end of the swap.
    const isReached = (): boolean => statSync(join(stack.dataDir, 'snapshots'), { throwIfNoEntry: false })?.isFile() === true;
    await interruptRstow(['restore', DATABASE, '--without-temporal', '--yes', '--config', stack.configFile], {
      isReached,
      signal: 'SIGKILL',
    });
    await waitUntil('the watchdog has ended the stop note', async () => (await readStopNote(stack.dataDir)) === undefined, 60_000);
    expect([doubtful, backup.stateDigest]).toContain(await stateNow());
  });

  it('brings a lost data directory back from the history in use, not from the one that a restore had left', async () => {
    await stack.service.stop();
    await rm(stack.dataDir, { recursive: true });
    const restored = await rstow([...restore, stack.configFile]);
    expect(restored).toMatchObject({ exitCode: 3 });
    const { stateDigest, ...result } = summaryOf(restored);
    expect(result).toMatchObject({ outcome: 'warnings', replaces: null });
    // The killed restore had made a backup of what it was to replace, or was killed before.
    expect([doubtful, backup.stateDigest]).toContain(stateDigest);
    expect(await stateNow()).toBe(stateDigest);
    expect(await readStopNote(stack.dataDir)).toBeUndefined();
  });
});

describe('rstow adopt', () => {
  beforeAll(async () => {
    newTemporal = await startTemporalServer();
    client = await connectTestClient(newTemporal.address);
    configFile = await pointAtNewTemporal(stack.configFile);
  });
  afterAll(async () => {
    await client.close();
    await newTemporal.stop();
  });

  const owner = async (): Promise<object> => (await currentOwner(await stack.openRepository(), DATABASE))!;

  // Both restores above and both undoes have noted the history in use, each as a generation.
  it('makes the same installation the owner at a new Temporal, once', async () => {
    const adopted = await rstow(['adopt', DATABASE, '--config', configFile]);
    expect(adopted).toMatchObject({ exitCode: 0 });
    expect(adopted.stdout).toMatch(/^owner before +db1 \(generation 5,[^)]*\)\nowner now +db1 \(generation 6,/m);
    const again = await rstow(['adopt', DATABASE, '--config', configFile, '--json']);
    expect(summaryOf(again)).toMatchObject({ outcome: 'not-needed', owner: { generation: 6 } });
  });

  it('after which backup, verification and restore go on', async () => {
    await start(configFile);
    await write('after', 200);
    const next = await client.execute<HotBackupResult>('hotBackup', { database: DATABASE });
    expect(next).toMatchObject({ outcome: 'done', restorable: 'from-log' });
    const verified = await client.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE });
    expect(verified).toMatchObject({ outcome: 'done', label: next.label, stateDigest: next.stateDigest });
    const restored = await client.execute<RestoreResult>('restore', { database: DATABASE, backup: 'latest' });
    expect(restored).toMatchObject({ outcome: 'done', stateDigest: next.stateDigest });
    expect(await stateNow()).toBe(next.stateDigest);
  });

  // And so has this restore.
  it('refuses while the owner’s agent is at work', async () => {
    const before = await owner();
    const stranger = await pointAtNewTemporal(await strangersConfig('rebuilt'));
    const refused = await rstow(['adopt', DATABASE, '--config', stranger]);
    expect(refused).toMatchObject({ exitCode: 14 });
    expect(refused.stderr).toMatch(/error: owner-outdated: agent "db1" .*generation 7\) owns the database .*--force/);
    expect(await owner()).toEqual(before);
  });

  it('refuses a directory that is not the server’s, or holds a history that has ended', async () => {
    const before = await owner();
    const elsewhere = await pointAtNewTemporal(await strangersConfig('elsewhere-state', { dataDir: join(stack.folder, 'elsewhere') }));
    expect((await rstow(['adopt', DATABASE, '--config', elsewhere])).stderr).toContain('error: data-directory-foreign: ');
    const file = join(stack.walDir, 'rstow-timeline.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, JSON.stringify({ format: 1, database: DATABASE, timeline: '0001', generation: 1 }));
    const stranger = await pointAtNewTemporal(await strangersConfig('old-disk'));
    expect((await rstow(['adopt', DATABASE, '--config', stranger])).stderr).toContain('error: timeline-diverged: ');
    await writeFile(file, text);
    expect(await owner()).toEqual(before);
  });

  it('takes over by force for a rebuilt agent, and fences the old one', async () => {
    const stranger = await pointAtNewTemporal(await strangersConfig('rebuilt'));
    const adopted = await rstow(['adopt', DATABASE, '--config', stranger, '--force', '--json']);
    expect(summaryOf(adopted)).toMatchObject({ outcome: 'done', previous: { generation: 7 }, owner: { generation: 8 } });
    await waitUntil('the old agent knows', () => agents.at(-1)!.logText().includes('"ownership":"foreign"'));
    await start(stranger);
    expect(await client.execute('hotBackup', { database: DATABASE })).toMatchObject({ outcome: 'done' });
  });

  it('says that nobody owns a database yet', async () => {
    const file = await strangersConfig('rebuilt');
    const text = await readFile(await pointAtNewTemporal(file), 'utf8');
    await writeFile(file, text.replace(`  ${DATABASE}:`, '  unowned:'));
    const refused = await rstow(['adopt', 'unowned', '--config', file]);
    expect(refused).toMatchObject({ exitCode: 2 });
    expect(refused.stderr).toContain('nobody owns database "unowned" yet');
  });
});
