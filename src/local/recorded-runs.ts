import { WORKFLOW_TYPES, type WorkflowType } from '../contract/workflow-types.ts';
import type { FactName, TestName, VerificationName } from '../core/repository/object-keys.ts';
import { mergedRecords, type RunRecord } from '../core/runs/run-record.ts';
import type { Manifest } from '../formats/repository/manifest.ts';
import { unlessUnreadable } from '../io/repository/sealed-object.ts';
import type { Store } from '../store/store.ts';
import { localDeps } from './local-deps.ts';

export type RecordedRuns = { configFile: string | undefined; database: string; repository?: string | undefined; limit: number };

const READ_AT_ONCE = 16;

/**
 * The runs that the repository knows of, the newest first: by the record that an agent has made of each that has ended, and by what it has left there,
 * such as a backup. Those outlive Temporal's histories. Fails: as the store does; unknown-database, unknown-repository.
 */
export async function recordedRuns({ configFile, database, repository, limit }: RecordedRuns): Promise<RunRecord[]> {
  const deps = await localDeps(configFile);
  const store = await deps.openStore(database, repository);
  const records = [...(await endedRuns(store, limit)), ...(await backupRuns(store, limit)), ...(await checkRuns(store, limit))];
  return mergedRecords(records).slice(0, limit);
}

/** One whose record can't be read may still be known by what it has left. */
async function endedRuns({ runs }: Store, limit: number): Promise<RunRecord[]> {
  const newest = (await runs.names()).slice(-limit);
  return inTurns(newest, async (name) => {
    const ended = await unlessUnreadable(runs.read(name));
    if (ended === undefined) return [];
    const { format: _format, ...run } = ended;
    return [{ ...run, sources: ['repository'] as const }];
  });
}

/** One whose manifest can't be read is left out: `rstow list` says so. */
async function backupRuns(store: Store, limit: number): Promise<RunRecord[]> {
  const { backups } = await store.backups.history();
  const newest = backups.toSorted((one, other) => other.writtenAtMs - one.writtenAtMs).slice(0, limit);
  return inTurns(newest, async ({ label }) => {
    const manifest = await store.backups.readable(label);
    return manifest === undefined ? [] : [backupRun(manifest)];
  });
}

/** Where the workflow's id doesn't say it, such as that of a schedule. */
const TYPE_OF_KIND: Readonly<Record<Manifest['kind'], WorkflowType>> = {
  hot: 'hotBackup',
  cold: 'coldBackup',
  lvm: 'snapshotBackup',
  zfs: 'snapshotBackup',
  import: 'importBackup',
  tail: 'restore',
};

function typeOf({ workflowId, kind }: Manifest): string {
  const [, type] = /^rstow\/[^/]+\/([A-Za-z]+)\//.exec(workflowId) ?? [];
  return WORKFLOW_TYPES.find((known) => known === type) ?? TYPE_OF_KIND[kind];
}

function backupRun(manifest: Manifest): RunRecord {
  const { runId, workflowId, database, createdAtMs, writtenAtMs, label, warnings } = manifest;
  return {
    runId,
    workflowId,
    type: typeOf(manifest),
    database,
    startedAtMs: createdAtMs,
    endedAtMs: writtenAtMs,
    state: warnings.length === 0 ? 'done' : 'warnings',
    label,
    sources: ['repository'],
  };
}

type CheckName = VerificationName | TestName;

/** What a run has repaired is no check. Only what failed is read, for its code. */
async function checkRuns(store: Store, limit: number): Promise<RunRecord[]> {
  const names = [...(await store.facts.byLabel()).values()].flat().filter(isCheck);
  const newest = names.toSorted((one, other) => other.atMs - one.atMs).slice(0, limit);
  return inTurns(newest, async (name) => [await checkRun(store, name)]);
}

function isCheck(name: FactName): name is CheckName {
  return name.kind === 'test' || name.outcome !== 'repaired';
}

async function checkRun(store: Store, name: CheckName): Promise<RunRecord> {
  const { runId, label, atMs, outcome, kind } = name;
  const failure = outcome === 'failed' ? await failureOf(store, name) : undefined;
  const type = kind === 'test' ? 'testRecovery' : 'verifyBackup';
  const state = outcome === 'failed' ? 'failed' : 'done';
  return { runId, type, database: store.database, startedAtMs: atMs, state, failure, label, sources: ['repository'] };
}

/** Undefined if the fact of a test has rotted: that it failed is in its name. */
async function failureOf(store: Store, name: CheckName): Promise<RunRecord['failure']> {
  if (name.kind === 'test') return (await unlessUnreadable(store.facts.test(name)))?.failure;
  const [check] = await store.facts.checks([name]);
  return check?.failure;
}

async function inTurns<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result[]>): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += READ_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + READ_AT_ONCE).map(work))).flat());
  }
  return results;
}
