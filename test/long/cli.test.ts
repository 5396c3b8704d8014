import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import type { DescribeDatabaseResult, ReplacedFolder } from '../../src/contract/describe-database.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { lockWorkflowId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import { DATABASE } from '../support/database-stack.ts';
import { freePort } from '../support/free-port.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { type ProgramEnd, runProgram } from '../support/run-program.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { failureOf, temporalExecute } from '../support/temporal-command.ts';
import { makeNamespace } from '../support/temporal-namespace.ts';

const CLI_MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
  const load = await startLoadWriters({ address: scene.stack.address, writers: 4 });
  await load.acknowledgedAtLeast(1000);
  await load.stop();
});
afterAll(() => scene.close());

/** Where Temporal is, it learns from the environment, as on a configured host. */
function rstow(args: string[], place: { address?: string; namespace?: string } = {}): Promise<ProgramEnd> {
  const { address = scene.temporalAddress, namespace = scene.namespace } = place;
  const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace };
  return runProgram(process.execPath, ['--disable-warning=ExperimentalWarning', CLI_MAIN, ...args], { env });
}

type JsonLine = { message_type: string; code?: string; exitCode?: number };

/** The one summary among the lines that `--json` gives. */
function summaryIn({ stdout }: ProgramEnd): object {
  const lines = stdout.trim().split('\n');
  const summaries = lines.map((line) => JSON.parse(line) as JsonLine).filter((line) => line.message_type === 'summary');
  expect(summaries).toHaveLength(1);
  return summaries[0]!;
}

describe('rstow', () => {
  let backup: HotBackupResult;

  it('backs up, and says on stdout what the backup is', async () => {
    const plain = await rstow(['backup', DATABASE]);
    expect(plain).toMatchObject({ exitCode: 0 });
    expect(plain.stdout).toMatch(/^backup +[0-9]{8}T[0-9]{6}Z-hot$/m);
    expect(plain.stderr).toMatch(/^started rstow\/orders\/hotBackup\//m);
    const json = await rstow(['backup', DATABASE, '--json', '--reason', 'before the upgrade']);
    expect(json.exitCode).toBe(0);
    backup = summaryIn(json) as HotBackupResult;
    expect(backup).toMatchObject({ outcome: 'done', database: DATABASE, piecesStored: 0, restorable: 'from-log' });
  });

  it('verifies, and lists the backups with their verification, newest first', async () => {
    const verified = await rstow(['verify', DATABASE, '--backup', backup.label!, '--json']);
    expect(verified.exitCode).toBe(0);
    expect(summaryIn(verified)).toMatchObject({
      label: backup.label,
      level: 'replay',
      stateDigest: backup.stateDigest,
    });
    const listed = await rstow(['list', DATABASE, '--json']);
    expect(listed.exitCode).toBe(0);
    const list = summaryIn(listed);
    expect(list).toMatchObject({ total: 2, unreadable: [], backups: [{ label: backup.label, verified: { level: 'replay' } }, {}] });
    const table = (await rstow(['list', DATABASE])).stdout.trimEnd().split('\n');
    expect(table).toHaveLength(4);
    expect(table[0]).toBe('In use, the newest first:');
    expect(table[2]).toMatch(new RegExp(`^${backup.label!} .*replay`));
  });

  it('shows who owns the database and how it is protected', async () => {
    const described = await rstow(['info', DATABASE, '--json']);
    const info = summaryIn(described);
    // Nobody has made a schedule, and that is said.
    expect(described.exitCode).toBe(3);
    expect(info).toMatchObject({
      protection: { isProtected: false, gaps: [{ code: 'no-schedule' }] },
      server: { compaction: { isOn: false } },
    });
    expect(info).toMatchObject({ owner: { agent: 'db1', generation: 1 }, backups: 2, timelines: 1, latest: { label: backup.label } });
    expect((await rstow(['info', DATABASE])).stdout).toContain(backup.label);
  });

  it('shows a restore’s plan, and then restores in place', async () => {
    const planned = await rstow(['restore', DATABASE, '--dry-run', '--json']);
    expect(planned.exitCode).toBe(0);
    expect(summaryIn(planned)).toMatchObject({ dryRun: true, label: backup.label });
    const restored = await rstow(['restore', DATABASE, '--backup', backup.label!, '--yes', '--json']);
    expect(restored.exitCode).toBe(0);
    const result = summaryIn(restored);
    expect(result).toMatchObject({ outcome: 'done', timeline: '0002', rehearsal: 'passed', stateDigest: backup.stateDigest });
  });

  it('undoes the restore by the command that its result names, and asks nobody with --yes', async () => {
    const info = await rstow(['info', DATABASE, '--json']);
    const [{ runId }] = (summaryIn(info) as DescribeDatabaseResult).replaced as [ReplacedFolder];
    const undone = await rstow(['undo', DATABASE, '--restore', runId.slice(0, 14), '--yes']);
    expect(undone).toMatchObject({ exitCode: 0 });
    expect(undone.stdout).toMatch(new RegExp(`^undoes +restore ${runId}$`, 'm'));
    expect(undone.stdout).toMatch(/^timeline +0001 → 0003$/m);
    expect(undone.stdout).toMatch(/^to undo +rstow undo orders --repository local --restore [0-9a-f]{8}-[0-9a-f]{4}$/m);
  });

  it('detaches at once with --no-wait, and names the run', async () => {
    const { exitCode, stdout } = await rstow(['backup', DATABASE, '--no-wait']);
    expect(exitCode).toBe(0);
    const result = (await scene.temporal.client.workflow.getHandle(stdout.trim()).result()) as HotBackupResult;
    expect(result.outcome).toBe('done');
  });
});

describe('the exit code of rstow', () => {
  const expectFailure = (ended: ProgramEnd, exitCode: number, code: string): void => {
    expect(ended).toMatchObject({ exitCode });
    expect(ended.stderr).toMatch(new RegExp(`^error: ${code}: .+\nhint: .+`, 'm'));
    expect(ended.stdout).toBe('');
  };

  it('is 2 if the request itself is wrong', async () => {
    expect((await rstow(['backup', DATABASE, '--no-such-option'])).exitCode).toBe(2);
    expect((await rstow(['backup'])).exitCode).toBe(2);
    expectFailure(await rstow(['backup', 'Orders!']), 2, 'invalid-input');
    expectFailure(await rstow(['restore', DATABASE, '--to-dir', 'relative/path']), 2, 'invalid-input');
    expectFailure(await rstow(['backup', DATABASE, '--snapshot', 'lvm', '--stream']), 2, 'invalid-input');
    // There is no terminal to ask on.
    const unasked = await rstow(['restore', DATABASE]);
    expectFailure(unasked, 2, 'invalid-input');
    expect(unasked.stderr).toContain('--yes');
  });

  it('is 10 if what was named does not exist, and --json says it in one line too', async () => {
    expectFailure(await rstow(['restore', DATABASE, '--backup', '1999', '--yes']), 10, 'backup-not-found');
    expectFailure(await rstow(['list', DATABASE, '--repository', 'nowhere']), 10, 'unknown-repository');
    const json = await rstow(['verify', DATABASE, '--backup', '1999', '--json']);
    expect(json.exitCode).toBe(10);
    const last = JSON.parse(json.stdout.trim().split('\n').at(-1)!) as JsonLine;
    expect(last).toMatchObject({ message_type: 'error', code: 'backup-not-found', exitCode: 10 });
  });

  it('is 11 while another run holds the database, and names it', async () => {
    const byHand = { taskQueue: WORKFLOW_QUEUE, workflowId: lockWorkflowId(DATABASE) };
    const holder = await scene.temporal.client.workflow.start('lockDatabase', byHand);
    onTestFinished(() => holder.terminate().then(() => undefined));
    const refused = await rstow(['backup', DATABASE]);
    expectFailure(refused, 11, 'busy');
    expect(refused.stderr).toContain(holder.workflowId);
  });

  it('is 14 if a pre-check refused', async () => {
    const dataDir = join(scene.stack.folder, 'not-empty');
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'precious'), 'x');
    expectFailure(await rstow(['restore', DATABASE, '--to-dir', dataDir]), 14, 'target-not-empty');
  });

  it('is 17 if Temporal or an agent can’t be reached, at once', async () => {
    const elsewhere = await rstow(['list', DATABASE], { address: `127.0.0.1:${await freePort()}` });
    expectFailure(elsewhere, 17, 'temporal-unreachable');
    const alone = await rstow(['list', DATABASE], { namespace: await makeNamespace(scene.temporalAddress) });
    expectFailure(alone, 17, 'agent-unreachable');
    expect(alone.durationMs).toBeLessThan(15_000);
  });

  it('is 10 if no agent lists the database, with the nearest name, at once; the temporal command says the same', async () => {
    const sentence = 'no agent that answers lists database "ordrs"; did you mean "orders"?';
    const [byTemporal, byRstow] = await Promise.all([
      temporalExecute(scene, 'hotBackup', '--input', '{"database":"ordrs"}'),
      rstow(['backup', 'ordrs']),
    ]);
    expectFailure(byRstow, 10, 'unknown-database');
    expect(byRstow.stderr).toContain(sentence);
    expect(failureOf(byTemporal)).toEqual({ code: 'unknown-database', message: `unknown-database: ${sentence}` });
    for (const { durationMs } of [byTemporal, byRstow]) expect(durationMs).toBeLessThan(15_000);
  });
});
