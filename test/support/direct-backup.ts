/** The steps of a backup and of a restore, called one after another without Temporal. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ActivityBody } from '../../src/activities/activity.ts';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import { createRunningBackups } from '../../src/activities/backup/running-backups.ts';
import { storeAttachments } from '../../src/activities/backup/attachments.ts';
import { noteHistory } from '../../src/activities/authority/note-history.ts';
import { readManifest } from '../../src/store/backups.ts';
import { closeHealed } from '../../src/activities/backup/close-healed.ts';
import { digestState } from '../../src/activities/backup/digest-state.ts';
import { clearStaging, placeElsewhere } from '../../src/activities/restore/finish-restore.ts';
import { pinWal, unpinWal } from '../../src/activities/backup/pinned-segments.ts';
import { planRestore } from '../../src/activities/restore/plan-restore.ts';
import { prepareBackup } from '../../src/activities/backup/prepare-backup.ts';
import { rehearse } from '../../src/activities/restore/rehearse.ts';
import type { RunPort } from '../../src/activities/run-port.ts';
import { stageWal } from '../../src/activities/restore/stage-wal.ts';
import { storeSegments } from '../../src/activities/backup/store-segments.ts';
import { nameSwap, swapIn } from '../../src/activities/restore/swap-in.ts';
import type { Verified } from '../../src/activities/verify/verification.ts';
import { verifyStoredBackup } from '../../src/activities/verify/verify-backup.ts';
import { verifyLive } from '../../src/activities/restore/verify-live.ts';
import { writeManifest } from '../../src/activities/backup/write-manifest.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { segmentFileName } from '../../src/core/wal/segment-id.ts';
import { createSeenOwners } from '../../src/io/agent-state/seen-owners.ts';
import { databaseOwnership } from '../../src/worker/database-claim.ts';
import { createStores } from '../../src/store/store.ts';
import { createRepositoryOpener } from '../../src/worker/repositories.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';

export type DirectRun = <Input, Output>(body: (deps: ActivityDeps) => ActivityBody<Input, Output>, input: Input) => Promise<Output>;

export type BackUpOptions = {
  /** The primary where absent. */ repository?: string;
  /** What the orchestrator's clock says; now where absent. */ startedAtMs?: number;
  /** What happens to the source once it is pinned. */ afterPin?: (unpin: () => Promise<void>) => Promise<void>;
};

/** The agent's own composition, without Temporal: no run is ever cancelled or closed. */
export function directDeps(stack: DatabaseStack): ActivityDeps {
  const unused = (): never => {
    throw new Error('no Temporal here');
  };
  const storeDeps = {
    config: stack.config,
    agent: { name: 'db1', installationId: '11111111-1111-4111-8111-111111111111' },
    requireInstallation: async () => Promise.resolve(),
    seenOwners: createSeenOwners(stack.config.agent.stateDir),
    openRepository: createRepositoryOpener(stack.config),
  };
  return {
    ...storeDeps,
    ...createStores(storeDeps),
    configFile: stack.configFile,
    temporal: { clusterId: 'none', namespace: 'none' },
    runs: { checkOpen: async () => Promise.resolve(), isOpen: unused, chainOf: unused, lockHolder: unused, terminate: unused },
    backupWatch: { schedule: async () => undefined, lastEnded: async () => undefined },
    runningBackups: createRunningBackups(),
    searchAttributes: false,
  };
}

/** A run of its own: its steps share one run id. */
export function directRun(deps: ActivityDeps): DirectRun {
  const run: RunPort = {
    workflowId: 'direct',
    runId: randomUUID(),
    signal: new AbortController().signal,
    report: () => undefined,
    checkOpen: async () => Promise.resolve(),
    chain: async () => Promise.resolve(undefined),
  };
  return (body, input) => body(deps)(input, run);
}

/** What the workflow hotBackup does, step by step. */
export async function backUp(stack: DatabaseStack, options: BackUpOptions = {}): Promise<Manifest> {
  const deps = directDeps(stack);
  expect(await databaseOwnership(deps, DATABASE)).toEqual({ kind: 'mine' });
  const step = directRun(deps);
  const { startedAtMs = Date.now() } = options;
  const {
    repository,
    label,
    timeline,
    serverVersion,
    warnings: early,
  } = await step(prepareBackup, {
    ...{ database: DATABASE, startedAtMs },
    ...(options.repository === undefined ? {} : { repository: options.repository }),
  });
  const at = { database: DATABASE, repository };
  try {
    const { fenceKey, pin } = await step(pinWal, { ...at, timeline });
    await options.afterPin?.(() => step(unpinWal, { database: DATABASE, timeline }));
    const { extentsKey, healed, warnings: stored } = await step(storeSegments, { ...at, timeline, fenceKey });
    const state = await step(digestState, { ...at, fenceKey, extentsKey });
    const kept = await step(storeAttachments, { ...at, label, withSnapshots: state.restorable !== 'from-log' });
    const warnings = [...early, ...stored, ...state.warnings, ...kept.warnings];
    const facts = { startedAtMs, serverVersion, extentsKey, pin, state, attachments: kept.attachments, warnings };
    await step(writeManifest, { ...at, label, timeline, ...facts });
    if (healed > 0) await step(closeHealed, { ...at, atMs: Date.now() });
    return await readManifest(await deps.openRepository(repository), DATABASE, label);
  } finally {
    await step(unpinWal, { database: DATABASE, timeline });
  }
}

/** What the workflow restore does with another directory, a rehearsal by a real server included. */
export async function restoreElsewhere(stack: DatabaseStack, backup: string, toDataDir: string): Promise<void> {
  const step = directRun(directDeps(stack));
  const { repository, planKey } = await step(planRestore, { database: DATABASE, backup, toDataDir });
  const at = { database: DATABASE, repository, planKey };
  try {
    await step(stageWal, { ...at, startedAtMs: Date.now() });
    expect(await step(rehearse, at)).toEqual({ rehearsal: 'passed', warnings: [] });
    await step(placeElsewhere, at);
  } finally {
    await step(clearStaging, { dataDir: toDataDir });
  }
}

/** What the workflow restore does in place: the server stops, wal/ is swapped, the server starts and is compared. */
export async function restoreInPlace(stack: DatabaseStack, backup: string, whileItWaits?: () => Promise<unknown>): Promise<void> {
  const step = directRun(directDeps(stack));
  const { repository, planKey, planHash } = await step(planRestore, { database: DATABASE, backup });
  await whileItWaits?.();
  const at = { database: DATABASE, repository, planKey, planHash };
  try {
    const { timeline } = await step(stageWal, { ...at, startedAtMs: Date.now() });
    expect(await step(rehearse, at)).toEqual({ rehearsal: 'passed', warnings: [] });
    const swap = await step(nameSwap, { database: DATABASE });
    await step(swapIn, { ...at, swap });
    expect(await step(verifyLive, at)).toEqual({ warnings: [] });
    await step(noteHistory, { database: DATABASE, timeline });
  } finally {
    await step(clearStaging, { dataDir: stack.dataDir });
  }
}

/** Fails where the backup's objects, records or replayed state are not what its manifest promises. */
export async function verifyByReplay(stack: DatabaseStack, { label }: Manifest, repository = 'local'): Promise<Verified> {
  return directRun(directDeps(stack))(verifyStoredBackup, { database: DATABASE, repository, label, level: 'replay' });
}

/** How far the backup goes in each segment, by file name. */
export function extentsOf(manifest: Manifest): Record<string, number> {
  return Object.fromEntries(manifest.segments.map(({ segment, ranges }) => [segmentFileName(segment), ranges.at(-1)?.endBytes ?? 0]));
}

/** Holds a restored wal/ against the source's files, byte for byte up to the backup's extents. */
export async function expectSameWal(manifest: Manifest, sourceWalDir: string, restoredWalDir: string): Promise<void> {
  for (const [fileName, endBytes] of Object.entries(extentsOf(manifest))) {
    const source = await readFile(join(sourceWalDir, fileName));
    const restored = await readFile(join(restoredWalDir, fileName));
    expect(restored.length, fileName).toBe(endBytes);
    expect(restored.equals(source.subarray(0, endBytes)), fileName).toBe(true);
  }
}
