/**
 * `node scripts/record-histories.ts [NAME…]`: records a history of each kind of run, by the real workflows on a real Temporal
 * server, with verbs that only say what they would have done. They go to test/replay/histories/contract-<number>/<version>/,
 * beside those of older releases, which are never recorded anew: a release replays all that speak its contract, and what it
 * can't replay needs the next number.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import proto from '@temporalio/proto';
import {
  ABORT_SIGNAL,
  APPROVE_UPDATE,
  ARCHIVE_NOW_UPDATE,
  DENY_UPDATE,
  PAUSE_UPDATE,
  REQUEST_RECOVERY_SIGNAL,
  RESUME_UPDATE,
  SET_BANDWIDTH_UPDATE,
} from '../src/contract/messages.ts';
import {
  CONTRACT_NUMBER,
  lockWorkflowId,
  PROGRESS_QUERY,
  recoveryWorkflowId,
  RSTOW_VERSION,
  WORKFLOW_QUEUE,
} from '../src/contract/names.ts';
import type { Progress } from '../src/contract/result.ts';
import { RstowError } from '../src/core/errors/rstow-error.ts';
import { workflowBundleCode } from '../test/support/workflow-bundle.ts';
import { startTemporalServer } from '../test/support/temporal-server.ts';
import { waitUntil } from '../test/support/wait-until.ts';
import { AGENT, DATABASE, type FakeAgent, INSTALLATION_ID, startFakeAgent } from '../test/workflow/fake-agent.ts';
import { holdVerb } from '../test/workflow/held-verb.ts';
import { CANDIDATE, DIGESTED, manifest, PLANNED, PLANNED_ROTATION, PROTECTION } from '../test/workflow/plausible-answers.ts';

const { History } = proto.temporal.api.history.v1;
const HISTORIES = fileURLToPath(new URL(`../test/replay/histories/contract-${CONTRACT_NUMBER}/${RSTOW_VERSION}/`, import.meta.url));

const DAY_MS = 86_400_000;
const input = { database: DATABASE };
const restoreInput = { ...input, backup: 'latest' };
const pointInput = { ...input, target: { before: { instance: 'o-17' } } };
const refuse = async (): Promise<never> => Promise.reject(new RstowError('source-damaged', 'byte 7 is no record'));
const noStart = async (): Promise<never> => Promise.reject(new RstowError('service-start-failed', 'the server has ended'));
const damaged = async (): Promise<never> =>
  Promise.reject(new RstowError('damaged-object', 'a piece is missing', { details: { key: 'a' } }));

type Scenario = (agent: FakeAgent) => Promise<WorkflowHandle>;

const scenarios: Record<string, Scenario> = {
  'hot-backup-done': (agent) => agent.start('hotBackup', input),
  'import-backup': (agent) => agent.start('importBackup', { ...input, file: '/backup/rstmdb/20261129-030000.tar.gz' }),
  'import-backup-refused': (agent) => {
    agent.verbs.readArchive = async () => Promise.reject(new RstowError('archive-hollow', 'it lacks segments 1 to 3'));
    return agent.start('importBackup', { ...input, file: '/backup/rstmdb/20261129-030000.tar.gz' });
  },
  'export-backup': (agent) => agent.start('exportBackup', { ...input, backup: 'latest', file: '/backup/rstmdb/orders.tar.gz' }),
  'hot-backup-rescued': (agent) => {
    let restorable: 'no' | 'from-baseline' = 'no';
    agent.verbs.digestState = async () => ({ ...DIGESTED, restorable });
    agent.verbs.rescueLog = async () => {
      restorable = 'from-baseline';
      return { timeline: '0002', warnings: [{ code: 'log-rescued', message: 'the log begins with what the server shows' }] };
    };
    return agent.start('hotBackup', input);
  },
  'hot-backup-failed': (agent) => {
    agent.verbs.storeSegments = refuse;
    return agent.start('hotBackup', input);
  },
  'hot-backup-cancelled': (agent) => cancelHeld(agent, 'hotBackup', 'storeSegments'),
  'snapshot-backup-done': (agent) => agent.start('snapshotBackup', input),
  'snapshot-backup-cancelled': (agent) => cancelHeld(agent, 'snapshotBackup', 'storeSegments'),
  'cold-backup-done': (agent) => agent.start('coldBackup', input),
  'cold-backup-left-stopped': (agent) => {
    agent.verbs.checkColdBackup = async () => ({ isRunning: false });
    return agent.start('coldBackup', input);
  },
  'snapshot-backup-streamed': (agent) => agent.start('snapshotBackup', { ...input, snapshot: 'zfs', stream: true }),
  'restore-volume-done': (agent) => agent.start('restoreVolume', { ...input, backup: 'latest', dataset: 'tank/copy' }),
  'restore-volume-dropped': (agent) => {
    agent.verbs.checkVolume = async () => Promise.reject(new RstowError('digest-different', 'replaying gives another state'));
    return agent.start('restoreVolume', { ...input, backup: 'latest', dataset: 'tank/copy' });
  },
  'hot-backup-copied': (agent) => {
    agent.verbs.writeManifest = async () => ({ ...manifest, copying: { others: ['copy', 'far'], quorum: 2 } });
    return agent.start('hotBackup', input);
  },
  'copy-backups': (agent) => agent.start('copyBackups', input),
  'expire-backups': (agent) => agent.start('expireBackups', { ...input, apply: true }),
  'hold-backup': (agent) => agent.start('holdBackup', restoreInput),
  'rotate-keys': (agent) => {
    const looks = [PLANNED_ROTATION];
    agent.verbs.planRotation = async () => looks.pop() ?? { ...PLANNED_ROTATION, objects: 0, sets: [] };
    return agent.start('rotateKeys', input);
  },
  'hot-backup-compacted': (agent) => agent.start('hotBackup', { ...input, compact: true }),
  'hot-backup-busy': (agent) => meetHolder(agent),
  'lock-database': async (agent) => {
    await end(await agent.start('hotBackup', input));
    return agent.client.workflow.getHandle(lockWorkflowId(DATABASE));
  },
  'restore-in-place': (agent) => agent.start('restore', restoreInput),
  'restore-elsewhere': (agent) => agent.start('restore', { ...restoreInput, to: { dataDir: '/elsewhere' } }),
  'restore-dry-run': (agent) => agent.start('restore', { ...restoreInput, dryRun: true }),
  'restore-rolled-back': (agent) => {
    agent.verbs.swapIn = noStart;
    return agent.start('restore', restoreInput);
  },
  'restore-approved': async (agent) => {
    wantApproval(agent, DAY_MS);
    const run = await agent.start('restore', restoreInput);
    await decide(run, APPROVE_UPDATE, { planHash: PLANNED.planHash, by: 'bob' });
    return run;
  },
  'restore-denied': async (agent) => {
    wantApproval(agent, DAY_MS);
    const run = await agent.start('restore', restoreInput);
    await decide(run, DENY_UPDATE, { by: 'bob', reason: 'not today' });
    return run;
  },
  'restore-approval-expired': (agent) => {
    wantApproval(agent, 500);
    return agent.start('restore', restoreInput);
  },
  'point-in-time-recovery-in-place': (agent) => agent.start('pointInTimeRecovery', pointInput),
  'point-in-time-recovery-dry-run': (agent) => agent.start('pointInTimeRecovery', { ...pointInput, dryRun: true }),
  'undo-restore': (agent) => agent.start('undoRestore', input),
  'rebase-database': (agent) => {
    const baseline = { segment: '0000000000000004', replacedBytes: 300, writtenBeforeMs: 1 };
    agent.verbs.planRestore = async () => ({ ...PLANNED, baseline, lackingInPlace: 0 });
    return agent.start('rebaseDatabase', input);
  },
  'recover-instance': (agent) => agent.start('recoverInstance', { ...pointInput, instance: 'o-17' }),
  'disaster-recovery-done': (agent) => requestRecovery(agent),
  'disaster-recovery-not-needed': (agent) => {
    agent.verbs.inspectLiveDatabase = async () => ({ isUp: true, isAsNew: true });
    return agent.start('disasterRecovery', input);
  },
  'disaster-recovery-next-state': (agent) => {
    const older = { ...CANDIDATE, label: '20261123T101500Z-hot', records: 12 };
    agent.verbs.findCandidates = async () => ({ usable: [CANDIDATE, older], skipped: [], newest: CANDIDATE });
    agent.verbs.planRestore = async ({ backup }) => ({ ...PLANNED, label: backup });
    let attempts = 0;
    agent.verbs.stageWal = async () => {
      attempts += 1;
      return attempts === 1 ? damaged() : { timeline: '0002', records: 12, warnings: [] };
    };
    return agent.start('disasterRecovery', { ...input, agent: AGENT });
  },
  'disaster-recovery-approved': async (agent) => {
    wantApproval(agent, DAY_MS);
    const run = await requestRecovery(agent);
    await decide(run, APPROVE_UPDATE, { planHash: PLANNED.planHash, by: 'bob' });
    return run;
  },
  'disaster-recovery-rolled-back': (agent) => {
    agent.verbs.swapIn = noStart;
    return agent.start('disasterRecovery', { ...input, force: true });
  },
  'disaster-recovery-aborted': async (agent) => {
    const held = holdVerb(undefined);
    agent.verbs.stageWal = held.verb;
    const run = await requestRecovery(agent);
    await held.reached;
    await run.signal(ABORT_SIGNAL);
    return run;
  },
  'test-recovery-done': (agent) => agent.start('testRecovery', { ...input, backup: 'random' }),
  'test-recovery-failed': (agent) => {
    agent.verbs.stageTest = damaged;
    return agent.start('testRecovery', input);
  },
  'test-recovery-cancelled': (agent) => cancelHeld(agent, 'testRecovery', 'testServer'),
  'archive-wal': (agent) => askArchive(agent),
  'archive-wal-waiting': async (agent) => {
    agent.verbs.followLog = refuse;
    const run = await agent.start('archiveWal', input);
    await waitUntil('it waits', async () => (await phaseOf(run)) === 'waiting to follow the log');
    await run.cancel();
    return run;
  },
  'check-database': (agent) => agent.start('checkDatabase', input),
  'rebase-database-dry-run': (agent) => agent.start('rebaseDatabase', { ...input, dryRun: true }),
  'verify-backup': (agent) => agent.start('verifyBackup', input),
  'verify-backup-damaged': (agent) => {
    agent.verbs.verifyStoredBackup = damaged;
    return agent.start('verifyBackup', input);
  },
  'list-backups': (agent) => agent.start('listBackups', input),
  'describe-database-stale': (agent) => {
    const formerOwners = [{ agent: AGENT, installationId: INSTALLATION_ID }];
    agent.verbs.describeProtection = async () => ({ ...PROTECTION, formerOwners });
    const owner = { agent: 'db2', generation: 2, claimedAtMs: 1_795_000_000_000 };
    agent.verbs.findStaleServer = async () => ({ agent: AGENT, address: '127.0.0.1:7401', owner });
    return agent.start('describeDatabase', input);
  },
  'describe-database': (agent) => agent.start('describeDatabase', input),
  'unknown-workflow': (agent) => agent.start('hotBakcup', input),
};

async function cancelHeld(agent: FakeAgent, type: string, verb: 'storeSegments' | 'testServer'): Promise<WorkflowHandle> {
  const held = holdVerb(undefined);
  agent.verbs[verb] = held.verb;
  const run = await agent.start(type, input);
  await held.reached;
  await run.cancel();
  return run;
}

/** All that can be asked of an archive. */
async function askArchive(agent: FakeAgent): Promise<WorkflowHandle> {
  agent.verbs.followLog = () => Context.current().cancelled;
  const run = await agent.start('archiveWal', input);
  await waitUntil('it follows', async () => (await phaseOf(run)) === 'following the log');
  await run.executeUpdate(ARCHIVE_NOW_UPDATE);
  await run.executeUpdate(SET_BANDWIDTH_UPDATE, { args: [{ bytesPerSecond: 1_000_000 }] });
  await run.executeUpdate(PAUSE_UPDATE, { args: [{ by: 'ann' }] });
  await waitUntil('it is paused', async () => (await phaseOf(run)) === 'paused');
  await run.executeUpdate(RESUME_UPDATE);
  await waitUntil('it follows again', async () => (await phaseOf(run)) === 'following the log');
  await run.cancel();
  return run;
}

async function phaseOf(run: WorkflowHandle): Promise<string> {
  return (await run.query<Progress>(PROGRESS_QUERY)).phase;
}

async function meetHolder(agent: FakeAgent): Promise<WorkflowHandle> {
  const held = holdVerb(undefined);
  agent.verbs.prepareBackup = held.verb;
  const holder = await agent.start('hotBackup', input);
  await held.reached;
  const run = await agent.start('hotBackup', input);
  await end(run);
  await holder.cancel();
  await end(holder);
  return run;
}

/** As other services ask for it: signal and input are the same object. */
async function requestRecovery(agent: FakeAgent): Promise<WorkflowHandle> {
  return agent.client.workflow.signalWithStart('disasterRecovery', {
    ...{ workflowId: recoveryWorkflowId(DATABASE), taskQueue: WORKFLOW_QUEUE, args: [input] },
    ...{ signal: REQUEST_RECOVERY_SIGNAL, signalArgs: [input] },
  });
}

function wantApproval(agent: FakeAgent, expiresMs: number): void {
  agent.verbs.planRestore = async () => ({ ...PLANNED, approval: { for: ['restore', 'disasterRecovery'], expiresMs } });
}

/** Once the run asks: before that it has no such update. */
async function decide(run: WorkflowHandle, update: string, decision: unknown): Promise<void> {
  await waitUntil('it waits for approval', async () => (await phaseOf(run)) === 'waiting for approval');
  await run.executeUpdate(update, { args: [decision] });
}

const end = (run: WorkflowHandle): Promise<unknown> => run.result().catch(() => undefined);

async function record(agent: FakeAgent, name: string, scenario: Scenario): Promise<void> {
  agent.reset();
  const run = await scenario(agent);
  await end(run);
  await writeFile(join(HISTORIES, `${name}.json`), `${await historyJson(run)}\n`);
  console.log(name);
}

/**
 * As protobufjs prints and reads it: the SDK's own JSON needs a single copy of protobufjs in node_modules. Stack traces
 * name paths of this machine, and no replay reads them.
 */
async function historyJson(run: WorkflowHandle): Promise<string> {
  const history = History.toObject(History.fromObject(await run.fetchHistory()), { longs: String, enums: String, bytes: String });
  return JSON.stringify(history, (key, value: unknown) => (key === 'stackTrace' ? undefined : value), 1);
}

const wanted = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'rstow-histories-'));
const server = await startTemporalServer();
try {
  const workflowBundlePath = join(folder, 'workflows.js');
  await writeFile(workflowBundlePath, await workflowBundleCode());
  await mkdir(HISTORIES, { recursive: true });
  const agent = await startFakeAgent({ temporalAddress: server.address, workflowBundlePath });
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (wanted.length === 0 || wanted.includes(name)) await record(agent, name, scenario);
  }
  await agent.stop();
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
