/** What an upgrade does to open runs: agents of two trees of rstow, each with its own contract, at one Temporal. */
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { stringify } from 'yaml';
import { buildIdOf } from '../../src/contract/names.ts';
import { startAgent, type AgentProcess } from './agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from './database-stack.ts';
import { connectTestClient, type TestClient } from './run-workflow.ts';
import { makeNamespace } from './temporal-namespace.ts';
import { waitUntil } from './wait-until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CONTRACT_GONE_MS = 3_000;
const PATIENCE_MS = 120_000;

export type Tree = { root: string; contract: number };

/** This very tree with another contract number. */
export async function treeOfContract(contract: number): Promise<Tree & { remove: () => Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'rstow-tree-'));
  await cp(join(ROOT, 'src'), join(root, 'src'), { recursive: true });
  for (const name of ['node_modules', 'package.json']) await symlink(join(ROOT, name), join(root, name));
  const file = join(root, 'src/contract/names.ts');
  const source = await readFile(file, 'utf8');
  await writeFile(file, source.replace(/CONTRACT_NUMBER = \d+/, `CONTRACT_NUMBER = ${contract}`));
  return { root, contract, remove: () => rm(root, { recursive: true, force: true }) };
}

export async function contractOfTree(root: string): Promise<Tree> {
  // An older tree has it in a file of another name.
  const files = await Promise.all(
    (await readdir(join(root, 'src/contract'))).map((name) => readFile(join(root, 'src/contract', name), 'utf8')),
  );
  const source = files.join('\n');
  return { root, contract: Number(/CONTRACT_NUMBER = (\d+)/.exec(source)?.[1]) };
}

export type UpgradeFacts = {
  /** Outcome and build id of each run; how long the last one stayed open without an agent of its own. */
  restoreOverUpgrade: Ended;
  backupOverUpgrade: Ended;
  newRunOfNewAgent: Ended;
  newRunOfOldAgent: Ended;
  leftAlone: Ended & { endedAfterMs: number };
};

export type Ended = { outcome: string; buildId: string };

type Host = { stack: DatabaseStack; configFile: string; tree: Tree };

/**
 * Three runs are open on an agent of the older tree when one of the newer tree joins for another database: two restores
 * that wait for approval, and a backup that waits for its server. New runs start, one restore is approved, the server
 * comes back; then the older agent goes, with the other restore open.
 */
export async function upgrade(temporalAddress: string, { older, newer }: { older: Tree; newer: Tree }): Promise<UpgradeFacts> {
  const namespace = await makeNamespace(temporalAddress);
  const temporal = await connectTestClient(temporalAddress, namespace);
  const hosts: Host[] = [];
  const agents: AgentProcess[] = [];
  try {
    for (const [tree, agentName] of [
      [older, 'db1'],
      [newer, 'db2'],
    ] as const) {
      const stack = await makeDatabaseStack({
        temporalAddress,
        namespace,
        agentName,
        database: { approval: { for: ['restore'], expiresMs: 600_000 } },
      });
      hosts.push({ stack, tree, configFile: await configOf(stack, agentName === 'db1' ? DATABASE : 'stock') });
    }
    const [old, fresh] = hosts as [Host, Host];
    agents.push(await startAgent({ configFile: old.configFile, root: old.tree.root }));
    await temporal.execute('hotBackup', { database: DATABASE });
    const [restore, leftAlone] = [await startedRestore(temporal), await startedRestore(temporal)];
    await old.stack.service.stop();
    const backup = await temporal.start('hotBackup', { database: DATABASE });
    await waitUntil('the backup is tried', async () => (await phaseOf(backup)) !== 'starting');

    agents.push(await startAgent({ configFile: fresh.configFile, root: fresh.tree.root }));
    const newRunOfNewAgent = await ended(await temporal.start('hotBackup', { database: 'stock' }));
    await old.stack.startServer();
    const backupOverUpgrade = await ended(backup);
    const newRunOfOldAgent = await endedOfOldAgent(temporal);
    await restore.executeUpdate('approve', { args: [{ planHash: await planHashOf(restore), by: 'bob' }] });
    const restoreOverUpgrade = await ended(restore);

    await agents[0]?.kill();
    const goneAtMs = performance.now();
    const end = await ended(leftAlone);
    return {
      ...{ restoreOverUpgrade, backupOverUpgrade, newRunOfNewAgent, newRunOfOldAgent },
      leftAlone: { ...end, endedAfterMs: performance.now() - goneAtMs },
    };
  } finally {
    await Promise.all(agents.map((agent) => agent.kill()));
    await Promise.all(hosts.map(({ stack }) => stack.remove()));
    await temporal.close();
  }
}

async function configOf({ folder, plain }: DatabaseStack, database: string): Promise<string> {
  const configFile = join(folder, 'upgrade.yaml');
  const databases = { [database]: plain.databases[DATABASE] };
  const timing = { ...plain.timing, contractGoneMs: CONTRACT_GONE_MS, patienceMs: PATIENCE_MS };
  await writeFile(configFile, stringify({ ...plain, databases, timing }));
  return configFile;
}

/** Asked again where a busy machine's agent has not said in time that it is there. */
async function endedOfOldAgent(temporal: TestClient): Promise<Ended> {
  for (let asked = 1; ; asked += 1) {
    const end = await ended(await temporal.start('listBackups', { database: DATABASE }));
    if (end.outcome === 'done' || asked === ASKED_MAX) return end;
  }
}

const ASKED_MAX = 3;

async function startedRestore(temporal: TestClient): Promise<WorkflowHandle> {
  const run = await temporal.start('restore', { database: DATABASE, backup: 'latest', requestedBy: 'ann' });
  await waitUntil('the restore waits for approval', async () => (await phaseOf(run)) === 'waiting for approval');
  return run;
}

async function phaseOf(run: WorkflowHandle): Promise<string> {
  return (await run.query<{ phase: string }>('progress')).phase;
}

async function planHashOf(run: WorkflowHandle): Promise<string> {
  const { waitsFor } = await run.query<{ waitsFor: string }>('progress');
  return /"planHash": "([0-9a-f]{64})"/.exec(waitsFor)?.[1] ?? '';
}

/** The outcome, or why there is none; and the contract that the run ended with. */
async function ended(run: WorkflowHandle): Promise<Ended> {
  const outcome = await run.result().then(
    (result: { outcome: string }) => result.outcome,
    (error: unknown) => (error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)),
  );
  const { raw } = await run.describe();
  return { outcome, buildId: raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId ?? '' };
}

/** What has to hold, in words; each broken promise is one line. */
export function brokenPromises(facts: UpgradeFacts, { older, newer }: { older: Tree; newer: Tree }): string[] {
  const [before, after] = [buildIdOf(older.contract), buildIdOf(newer.contract)];
  const { restoreOverUpgrade, backupOverUpgrade, newRunOfNewAgent, newRunOfOldAgent, leftAlone } = facts;
  const promises: [string, boolean][] = [
    ['a restore that was open over the upgrade completes at the older agent', isDone(restoreOverUpgrade, before)],
    ['so does a backup', isDone(backupOverUpgrade, before)],
    ['a new run gets the newer contract', isDone(newRunOfNewAgent, after)],
    ['a new run of a host that is still old is given to its agent', isDone(newRunOfOldAgent, before)],
    ['a run that no agent knows any more is ended with the reason', leftAlone.outcome.startsWith('agent-version-unsupported: ')],
  ];
  return promises.filter(([, isKept]) => !isKept).map(([promise]) => promise);
}

function isDone({ outcome, buildId }: Ended, wanted: string): boolean {
  return ['done', 'warnings'].includes(outcome) && buildId === wanted;
}
