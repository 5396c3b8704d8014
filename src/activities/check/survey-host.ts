import { stat } from 'node:fs/promises';
import type { CheckConfig } from '../../config/check.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type HostFacts, growthPerDay } from '../../core/protection/host-risks.ts';
import type { GuardState } from '../../core/guard/guard-state.ts';
import { type Database, type HostConfig, openDatabase } from '../../database/database.ts';
import { guardHasLooked, guardState } from '../../database/guard-state.ts';
import { replayMemoryBytes } from '../../database/scratch-needs.ts';
import { readServerSettings } from '../../database/server-settings.ts';
import { pinnedOnlyBytes } from '../../io/data-directory/pins.ts';
import { listSegments, type SegmentFile } from '../../io/data-directory/segments.ts';
import { freeBytes } from '../../io/files/free-space.ts';
import { unlessAbsent } from '../../io/files/errno.ts';
import { availableMemoryBytes } from '../../io/process/machine.ts';
import { residentBytes } from '../../io/process/proc.ts';
import { findServerProcess } from '../../io/rstmdb/discover-server.ts';
import { listInstances } from '../../io/rstmdb/instances.ts';
import { replicationStatus } from '../../io/rstmdb/server.ts';
import { killSignal, unitName } from '../../io/service/systemd-service.ts';
import type { RunPort } from '../run-port.ts';

export type SurveyedHost = { facts: HostFacts; limits: CheckConfig };

/** A server that is up answers in milliseconds; one that doesn't says nothing of its replicas. */
const ANSWER_MS = 5_000;

/** What the host knows of the server's settings, memory, disk and replicas. Fails: unknown-database. Twice: asked anew. */
export const surveyHost =
  (deps: HostConfig) =>
  async ({ database: name }: { database: string }, run: Pick<RunPort, 'signal'>): Promise<SurveyedHost> => {
    const database = openDatabase(deps, name);
    const { settings, walDir, dataDir } = database;
    const files = (await listSegments(walDir)) ?? [];
    const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    const { compaction, fsync, metrics, flushAll } = await readServerSettings(database);
    const { budgetBytes } = settings.guard;
    const facts: HostFacts = {
      guard: { state: await stateOfGuard(database, run.signal), isCompactionOn: compaction.isOn, budgetBytes },
      settings: { fsync, metrics, flushAll },
      stop: settings.service.kind === 'systemd' ? await stopOfUnit(settings.service.unit) : undefined,
      ...(await askServer(database, run.signal)),
      log: { sizeBytes, growthPerDayBytes: growthPerDay(await writtenFiles(files), Date.now()) },
      disk: { freeBytes: await freeBytes(dataDir), pinnedBytes: await pinnedOnlyBytes(dataDir) },
      memory: { neededBytes: replayMemoryBytes(sizeBytes), availableBytes: await startMemoryBytes(database) },
    };
    return { facts, limits: settings.check };
  };

/**
 * What compaction has just deleted the guard links back at its next look. A directory that doesn't say whose history it
 * holds is none that can be guarded.
 */
async function stateOfGuard(database: Database, signal: AbortSignal): Promise<GuardState> {
  try {
    const state = await guardState(database);
    if (state.kind !== 'waiting' && (state.kind !== 'on' || state.missing.length === 0)) return state;
    await guardHasLooked(database, signal);
    return await guardState(database);
  } catch (error) {
    if (error instanceof RstowError && error.code === 'timeline-diverged') return { kind: 'replaced', why: error.message };
    throw error;
  }
}

async function stopOfUnit(unit: string): Promise<HostFacts['stop']> {
  const signal = await killSignal(unit);
  return signal === undefined ? undefined : { unit: unitName(unit), signal };
}

async function askServer({ server }: Database, signal: AbortSignal): Promise<Pick<HostFacts, 'instances' | 'replication'>> {
  try {
    return await server.ask(
      async (client) => {
        const { total: instances } = await listInstances(client, { limit: 1, offset: 0 });
        return { instances, replication: await replicationStatus(client) };
      },
      { signal, answerMs: ANSWER_MS },
    );
  } catch (error) {
    if (!(error instanceof RstowError) || signal.aborted) throw error;
    return { instances: null, replication: null };
  }
}

/** What a start can have: what is free, and what the server frees that runs now. */
async function startMemoryBytes({ server }: Database): Promise<number> {
  const running = await findServerProcess(server);
  if (running === undefined) return availableMemoryBytes();
  return (await availableMemoryBytes(running.pid)) + ((await residentBytes(running.pid)) ?? 0);
}

type WrittenFile = { sizeBytes: number; writtenAtMs: number };

async function writtenFiles(files: readonly SegmentFile[]): Promise<WrittenFile[]> {
  const written = await Promise.all(
    files.map(async ({ path, sizeBytes }) => {
      const writtenAtMs = (await unlessAbsent(stat(path)))?.mtimeMs;
      return writtenAtMs === undefined ? [] : [{ sizeBytes, writtenAtMs }];
    }),
  );
  return written.flat();
}
