/** A host on which systemd runs the server and rstow's agent, each as a unit. */
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { WorkflowHandle } from '@temporalio/client';
import type { ColdBackupResult } from '../../src/contract/cold-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import { readStopNote } from '../../src/io/data-directory/rstow-folder.ts';
import { isServerBlocked } from '../../src/io/data-directory/server-block.ts';
import { processesWithEnvironment } from '../../src/io/process/proc.ts';
import { answers } from '../crash/support/server-process.ts';
import { compactNow, writeCounters } from '../support/compactable-log.ts';
import { DATABASE, type DatabaseStack, stackOf } from '../support/database-stack.ts';
import { freePort } from '../support/free-port.ts';
import { freezeProcess } from '../support/freeze-process.ts';
import { sourceDigest } from '../support/odd-source.ts';
import { lackForHosts } from '../support/root-file-system.ts';
import { connectTestClient, type TestClient } from '../support/run-workflow.ts';
import { bootSystemdHost, SYSTEMD_HOST_NEEDS, type SystemdHost } from '../support/systemd-host.ts';
import { startTemporalServer, type TemporalServer } from '../support/temporal-server.ts';
import { toolPath } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';

const lack = lackForHosts(...SYSTEMD_HOST_NEEDS);
const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const CLI_MAIN = join(CHECKOUT, 'src/cli/main.ts');
const SET_UP_TIMEOUT_MS = 240_000;
const SERVER_UID = 7401;
const MAX_DOWNTIME_MS = 15_000;
/** So long after its deadline a server may be down at most. */
const LATE_MS_MAX = 60_000;
/** A second and a half. */
const QUIET_LOOKS = 30;

let folder: string;
let host: SystemdHost;
let temporal: TemporalServer;
let client: TestClient;
let stack: DatabaseStack;
const runs: WorkflowHandle[] = [];

/** As systemd has it by itself: SIGTERM; and a policy that is always at hand. */
const serverUnit = (dataDir: string, address: string): string => `[Unit]
Description=The database server
[Service]
ExecStart=${toolPath('rstmdb')}
User=rstmdb
Environment=RSTMDB_DATA=${dataDir} RSTMDB_BIND=${address} RSTMDB_WAL_SEGMENT_SIZE_MB=1 RSTMDB_FSYNC_POLICY=never
Environment=RSTMDB_COMPACT_ENABLED=false RSTMDB_METRICS_ENABLED=false RUST_LOG=warn
Restart=always
RestartSec=100ms
[Install]
WantedBy=multi-user.target
`;

async function makeStack(): Promise<DatabaseStack> {
  const places = { folder, dataDir: join(folder, 'data'), repositoryDir: join(folder, 'repository') };
  for (const path of [places.dataDir, places.repositoryDir, join(folder, 'agent')]) await mkdir(path);
  await chown(places.dataDir, SERVER_UID, SERVER_UID);
  const database = {
    server: { address: `127.0.0.1:${await freePort()}` },
    dataDir: places.dataDir,
    service: { kind: 'systemd', unit: 'rstmdb' },
    repositories: ['local'],
    rehearsal: { policy: 'required', command: [toolPath('rstmdb')] },
    maxDowntimeMs: MAX_DOWNTIME_MS,
    startTimeoutMs: 60_000,
    archive: { enabled: false },
  };
  const plain = {
    agent: { name: 'db1', stateDir: join(folder, 'agent') },
    temporal: { address: temporal.address },
    repositories: { local: { kind: 'folder', path: places.repositoryDir } },
    databases: { [DATABASE]: database },
    timing: { heartbeatMs: 1500, retryInitialMs: 200, retryMaxMs: 1000, ownerPollMs: 500, patienceMs: 20_000, probeMs: 8000 },
  };
  return stackOf(plain, places);
}

/** Both units, each as rstow prints what belongs to it. */
async function installUnits(): Promise<void> {
  const printed = await host.must('node', CLI_MAIN, 'agent', '--print-unit', '--config', stack.configFile);
  const [unit = '', dropIn = ''] = printed.split('# /etc/systemd/system/rstmdb.service.d/rstow.conf:\n');
  const lines = dropIn.replace(/^# {3}/gm, '');
  expect(lines).toContain('KillSignal=SIGINT');
  await host.write('/etc/systemd/system/rstmdb.service', serverUnit(stack.dataDir, stack.address));
  // The signal stays systemd's own here: it is the harder one.
  await host.write('/etc/systemd/system/rstmdb.service.d/rstow.conf', lines.replace('KillSignal=SIGINT\n', ''));
  await host.write('/etc/systemd/system/rstow.service', unit);
  const ours = `[Service]\nRestart=no\nEnvironment=RSTOW_WORKFLOW_BUNDLE=${inject('workflowBundlePath')}\n`;
  await host.write('/etc/systemd/system/rstow.service.d/test.conf', ours);
  await host.must('systemctl', 'daemon-reload');
  await host.must('systemctl', 'enable', '--now', 'rstmdb');
}

const isUp = (): Promise<boolean> => answers(stack);
const stateOf = async (unit: string): Promise<string> => (await host.run(['systemctl', 'is-active', unit])).stdout.trim();

async function serverPid(): Promise<number> {
  const [server] = await processesWithEnvironment('RSTMDB_BIND', stack.address);
  if (server === undefined) throw new Error('no server runs');
  return server.pid;
}

async function start(type: string, input: Record<string, unknown>): Promise<WorkflowHandle> {
  const handle = await client.start(type, { database: DATABASE, ...input });
  runs.push(handle);
  return handle;
}

/** The run's server has got its SIGINT, and ends once it is thawed; by then nobody else has seen anything. */
async function stopIsUnderWay(): Promise<{ deadlineMs: number; thaw: () => void }> {
  await waitUntil('the stop is noted', async () => (await readStopNote(stack.dataDir)) !== undefined);
  const pid = await serverPid();
  await freezeProcess(pid);
  await waitUntil('it is told to stop', async () => /^ShdPnd:\t0*2$/m.test(await readFile(`/proc/${pid}/status`, 'utf8')));
  const note = await readStopNote(stack.dataDir);
  return { deadlineMs: note?.deadlineMs ?? 0, thaw: () => void process.kill(pid, 'SIGCONT') };
}

async function expectUpInTime(before: number, deadlineMs: number): Promise<void> {
  await waitUntil('the server is another one', async () => (await isUp()) && (await serverPid()) !== before, MAX_DOWNTIME_MS + LATE_MS_MAX);
  expect(Date.now()).toBeLessThan(deadlineMs + LATE_MS_MAX);
  await waitUntil('the note is gone', async () => (await readStopNote(stack.dataDir)) === undefined);
  expect(await stateOf('rstmdb')).toBe('active');
}

describe.skipIf(lack !== undefined)(`a server that is a unit of systemd${lack ?? ''}`, () => {
  let label: string | undefined;
  let digest: string;

  beforeAll(async () => {
    folder = await mkdtemp('/var/tmp/rstow-systemd-');
    await chmod(folder, 0o755);
    temporal = await startTemporalServer();
    client = await connectTestClient(temporal.address);
    stack = await makeStack();
    host = await bootSystemdHost(folder, [dirname(inject('workflowBundlePath'))]);
    await host.must('useradd', '--system', '--uid', String(SERVER_UID), 'rstmdb');
    await installUnits();
    await waitUntil('the server answers', isUp);
    await writeCounters(stack.address, { count: 300 });
  }, SET_UP_TIMEOUT_MS);

  afterAll(async () => {
    await client.close();
    await temporal.stop();
    await host.remove();
    await rm(folder, { recursive: true });
  });

  /** What an earlier test has left in Temporal is nobody's any more. */
  beforeEach(async ({ onTestFailed }) => {
    onTestFailed(async () => console.error((await host.run(['journalctl', '--boot', '--no-pager', '--lines=80'])).stdout));
    await temporal.start();
    for (const run of runs.splice(0)) await run.terminate('its test is over').catch(() => undefined);
    await host.run(['systemctl', 'start', 'rstow']);
    await untilQuiet();
  });

  /** A step of a run that was ended may be about to stop the server once more, and then starts it again. */
  async function untilQuiet(): Promise<void> {
    let quietLooks = 0;
    await waitUntil('no run has the server down', async () => {
      const isQuiet = (await isUp()) && (await readStopNote(stack.dataDir)) === undefined;
      quietLooks = isQuiet ? quietLooks + 1 : 0;
      return quietLooks >= QUIET_LOOKS;
    });
  }

  test('is managed as the port of services says, there and by a real systemctl', { timeout: SET_UP_TIMEOUT_MS }, async () => {
    const vitest = ['node', 'node_modules/vitest/vitest.mjs', 'run', '--configLoader', 'runner', '--project', 'inside'];
    const { exitCode, stdout, stderr } = await host.run(['env', `--chdir=${CHECKOUT}`, ...vitest], { timeoutMs: SET_UP_TIMEOUT_MS });
    expect(exitCode, `${stdout}${stderr}`).toBe(0);
    expect(stdout).toMatch(/Tests .*[0-9]+ passed/);
    expect(stdout).not.toContain('skipped');
  });

  test('is backed up cold: it is stopped and comes up again', async () => {
    const before = await serverPid();
    const backup = (await (await start('coldBackup', {})).result()) as ColdBackupResult;
    expect(backup).toMatchObject({ outcome: 'done', kind: 'cold', server: 'restarted', warnings: [] });
    expect(await serverPid()).not.toBe(before);
    label = backup.label;
    digest = await sourceDigest(stack);
    expect(backup.stateDigest).toBe(digest);
  });

  test('is restored in place, and its log stays its user’s', async () => {
    await writeCounters(stack.address, { count: 1, prefix: 'later' });
    const restored = (await (await start('restore', { backup: label })).result()) as RestoreResult;
    expect(restored).toMatchObject({ outcome: 'done', rehearsal: 'passed' });
    expect(await sourceDigest(stack)).toBe(digest);
    expect((await stat(stack.walDir)).uid).toBe(SERVER_UID);
    expect(await host.must('systemctl', 'show', '--property=DropInPaths', 'rstmdb')).toContain(
      '/run/systemd/system/rstmdb.service.d/zz-rstow.conf',
    );
  });

  test.each(['coldBackup', 'restore'])('is up in time though the run of %s is terminated right after the stop', async (type) => {
    const before = await serverPid();
    const run = await start(type, type === 'restore' ? { backup: label } : {});
    const { deadlineMs, thaw } = await stopIsUnderWay();
    await run.terminate('by an operator');
    thaw();
    await expectUpInTime(before, deadlineMs);
  });

  test.each(['coldBackup', 'restore'])('is up in time though Temporal is gone right after the stop of %s', async (type) => {
    const before = await serverPid();
    await start(type, type === 'restore' ? { backup: label } : {});
    const { deadlineMs, thaw } = await stopIsUnderWay();
    await temporal.kill();
    thaw();
    await expectUpInTime(before, deadlineMs);
  });

  test.each(['coldBackup', 'restore'])(
    'is up in time though the agent is killed right after the stop of %s, and never back',
    async (type) => {
      const before = await serverPid();
      await start(type, type === 'restore' ? { backup: label } : {});
      const { deadlineMs, thaw } = await stopIsUnderWay();
      await host.must('systemctl', 'kill', '--kill-who=main', '--signal=SIGKILL', 'rstow');
      thaw();
      await expectUpInTime(before, deadlineMs);
      expect(await stateOf('rstow')).toBe('failed');
    },
  );

  test('starts from its whole log, though a plain stop by SIGTERM came in the middle of a COMPACT', async () => {
    await writeCounters(stack.address, { count: 1500, prefix: 'snapshot' });
    const before = await sourceDigest(stack);
    const pid = await serverPid();
    const compaction = compactNow(stack).catch(() => 'cut off');
    await waitUntil('the list of snapshots is torn', async () => {
      await freezeProcess(pid);
      if (await isIndexTorn()) return true;
      process.kill(pid, 'SIGCONT');
      await sleep(20);
      return false;
    });
    await host.must('systemctl', 'stop', 'rstmdb');
    expect(await compaction).toBe('cut off');
    expect(await isIndexTorn()).toBe(true);
    await host.must('systemctl', 'start', 'rstmdb');
    await waitUntil('the server answers', isUp);
    expect(await sourceDigest(stack)).toBe(before);
  });

  test('is started by nobody while it is down for a run, and by its own preparation after a loss of current', async () => {
    const before = await sourceDigest(stack);
    await host.must('systemctl', 'stop', 'rstow');
    const patient = await stack.writeConfig(stack.plain.agent, { maxDowntimeMs: 240_000 });
    const holder = fileURLToPath(new URL('../inside/hold-down.ts', import.meta.url));
    await host.must('systemd-run', '--unit=holder', '--property=KillMode=process', process.execPath, holder, patient, DATABASE);
    await waitUntil('it is down', async () => (await isServerBlocked(stack.dataDir)) && !(await isUp()));
    await sleep(1_000);
    expect(await stateOf('rstmdb')).toBe('inactive');
    for (const verb of ['start', 'restart']) {
      expect(await host.run(['systemctl', verb, 'rstmdb'])).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('Assertion failed') as string,
      });
    }
    expect(await stateOf('rstmdb')).toBe('inactive');
    expect((await readStopNote(stack.dataDir))?.runId).toBe('held-down');
    await host.loseCurrent();
    await host.boot();
    await waitUntil('the server answers', isUp);
    expect(await stateOf('rstmdb')).toBe('active');
    expect(await stateOf('rstow')).toBe('inactive');
    expect(await readStopNote(stack.dataDir)).toBeUndefined();
    expect(await host.must('journalctl', '--boot', '--output=cat', '--unit=rstmdb')).toContain('stop note finished');
    expect(await sourceDigest(stack)).toBe(before);
  });
});

async function isIndexTorn(): Promise<boolean> {
  try {
    JSON.parse(await readFile(join(stack.dataDir, 'snapshots/index.json'), 'utf8'));
    return false;
  } catch (error) {
    return error instanceof SyntaxError;
  }
}
