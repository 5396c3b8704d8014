import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import proto from '@temporalio/proto';
import { DefaultLogger, makeTelemetryFilterString, Runtime, Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { CONTRACT_NUMBER, RSTOW_VERSION } from '../../src/contract/names.ts';
import { workflowBundleCode } from '../support/workflow-bundle.ts';

const { History } = proto.temporal.api.history.v1;
/** Of all releases that speak this contract; runs of another one are never given to this code. */
const folder = new URL(`./histories/contract-${CONTRACT_NUMBER}/`, import.meta.url);
const releases = readdirSync(fileURLToPath(folder));
const histories = releases.flatMap((release) => namesOf(release).map((name) => ({ release, name })));

function namesOf(release: string): string[] {
  return readdirSync(fileURLToPath(new URL(release, folder))).map((fileName) => fileName.replace(/\.json$/, ''));
}

let code: string;

beforeAll(async () => {
  const filter = makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' });
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter } } });
  code = await workflowBundleCode();
});

async function replay({ release, name }: { release: string; name: string }, bundleCode = code): Promise<void> {
  const json = JSON.parse(readFileSync(new URL(`${release}/${name}.json`, folder), 'utf8')) as Record<string, unknown>;
  await Worker.runReplayHistory({ workflowBundle: { code: bundleCode } }, History.fromObject(json));
}

it('runs a bundle that takes little memory: one byte a character, without the sources', () => {
  expect(code).not.toMatch(/[\u0100-\uffff]/);
  expect(Buffer.byteLength(code, 'latin1')).toBeLessThan(1_800_000);
});

it('has histories of this release', () => {
  expect(releases).toContain(RSTOW_VERSION);
});

it.each(releases)('has a history of every workflow type of release %s', (release) => {
  for (const name of [
    'hot-backup-done',
    'cold-backup-done',
    'snapshot-backup-done',
    'import-backup',
    'export-backup',
    'restore-volume-done',
    'copy-backups',
    'expire-backups',
    'hold-backup',
    'rotate-keys',
    'archive-wal',
    'check-database',
    'rebase-database',
    'restore-in-place',
    'point-in-time-recovery-in-place',
    'undo-restore',
    'recover-instance',
    'disaster-recovery-done',
    'test-recovery-done',
    'verify-backup',
    'list-backups',
    'describe-database',
    'lock-database',
  ]) {
    expect(namesOf(release)).toContain(name);
  }
});

it.each(histories)('replays $name of release $release: a run that was open during an upgrade goes on', async (history) => {
  await replay(history);
});

describe('a changed workflow', () => {
  it.each([
    ['that does another step', { name: 'hot-backup-done', from: 'storeSegments', to: 'storePieces' }],
    ['that unpins nothing', { name: 'hot-backup-failed', from: 'unpinWal', to: 'clearPins' }],
    ['whose lock has another id', { name: 'restore-in-place', from: 'rstow/lock/', to: 'rstow/locks/' }],
    ['that takes a database over otherwise', { name: 'disaster-recovery-done', from: 'takeOwnership', to: 'claimDatabase' }],
    ['that waits for nobody’s approval', { name: 'restore-approved', from: '.for.includes(', to: '.for.indexOf(' }],
    ['that does not roll back', { name: 'restore-rolled-back', from: 'service-start-failed', to: 'service-start-refused' }],
  ])('%s fails to replay', async (_what, { name, from, to }) => {
    expect(code).toContain(from);
    await expect(replay({ release: RSTOW_VERSION, name }, code.replaceAll(from, to))).rejects.toBeInstanceOf(DeterminismViolationError);
  });
});
