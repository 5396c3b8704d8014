import { join } from 'node:path';
import type { DatabaseConfig } from '../config/agent-config.ts';
import type { RestorePlan } from '../config/repository-json/restore-plan.ts';
import type { RehearsalOutcome } from '../contract/restore.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { hardLinkTree, removeTree } from '../io/data-directory/file-tree.ts';
import { restorePaths } from '../io/data-directory/staging.ts';
import { treeStamp } from '../io/data-directory/tree-stamp.ts';
import { availableMemoryBytes } from '../io/process/memory.ts';
import { freePort } from '../io/service/free-port.ts';
import { endHolders } from '../io/service/end-holders.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { databaseSettings } from './database-settings.ts';
import { liveDigest } from './live-digest.ts';
import { serviceOf, startServer } from './managed-service.ts';
import { readPlan } from './plan-restore.ts';
import type { RunPort } from './run-port.ts';

export type RehearseInput = { database: string; repository: string; planKey: string };
export type Rehearsed = { rehearsal: RehearsalOutcome; warnings: { code: string; message: string }[] };

/** Measured: a server replaying 200 MB of log peaks at 1.13 GB. */
const MEMORY_PER_WAL_BYTE = 5.6;
const MEMORY_RESERVE_BYTES = 64 * 1024 * 1024;

/**
 * Boots a real server on hard links of the restored files, on a private port, and compares the state that it shows. It
 * gets no write; the files are proved unchanged. Fails: rehearsal-failed, not-enough-memory. Twice: begins anew.
 */
export const rehearse =
  (deps: ActivityDeps) =>
  async (input: RehearseInput, run: RunPort): Promise<Rehearsed> => {
    const settings = databaseSettings(deps.config, input.database);
    const { policy } = settings.rehearsal;
    if (policy === 'off') return { rehearsal: 'off', warnings: [] };
    const plan = await readPlan(await deps.openRepository(input.repository), input.planKey);
    const tooBig = await memoryShortage(plan);
    if (tooBig !== undefined) {
      if (policy === 'required') throw tooBig;
      return { rehearsal: 'skipped', warnings: [{ code: tooBig.code, message: tooBig.message }] };
    }
    await bootOnce(deps, { settings: await rehearsalSettings(settings, plan, run), plan, run });
    return { rehearsal: 'passed', warnings: [] };
  };

/** The same server with its own port, data and state; nothing that it could do to the real one. */
async function rehearsalSettings(settings: DatabaseConfig, plan: RestorePlan, run: RunPort): Promise<DatabaseConfig> {
  const service = settings.service.kind === 'process' ? settings.service : undefined;
  const command = settings.rehearsal.command ?? service?.command;
  if (command === undefined) {
    throw new RstowError('rehearsal-failed', 'rehearsal.command is not configured, and the service is no process that shows it');
  }
  const dataDir = restorePaths(plan.dataDir, run.runId).rehearsal;
  const address = `127.0.0.1:${await freePort()}`;
  const env = { ...(settings.rehearsal.env ?? service?.env), ...privateServer(dataDir, address) };
  return {
    ...settings,
    dataDir,
    server: { ...settings.server, address, ...tlsOf(settings) },
    service: { kind: 'process', command, env, stateDir: join(dataDir, 'service'), stopTimeoutMs: 30_000 },
    startTimeoutMs: settings.rehearsal.startTimeoutMs,
  };
}

/** The variables win over the server's config file, and the standalone role keeps replicas away from it. */
function privateServer(dataDir: string, address: string): Record<string, string> {
  return {
    RSTMDB_DATA: dataDir,
    RSTMDB_BIND: address,
    RSTMDB_COMPACT_ENABLED: 'false',
    RSTMDB_METRICS_ENABLED: 'false',
    RSTMDB_REPL_ROLE: 'standalone',
  };
}

/** A certificate names the real host, not the loopback address. */
function tlsOf({ server }: DatabaseConfig): Pick<DatabaseConfig['server'], 'tls'> {
  if (server.tls === undefined) return {};
  const serverName = server.tls.serverName ?? server.address.replace(/:[0-9]+$/, '').replace(/^\[|\]$/g, '');
  return { tls: { ...server.tls, serverName } };
}

type Boot = { settings: DatabaseConfig; plan: RestorePlan; run: RunPort };

async function bootOnce(deps: ActivityDeps, boot: Boot): Promise<void> {
  const { settings, plan, run } = boot;
  const { wal, rehearsal } = restorePaths(plan.dataDir, run.runId);
  await clear(plan.dataDir, rehearsal);
  await hardLinkTree(wal, join(rehearsal, 'wal'));
  const before = await treeStamp(wal);
  try {
    run.report({ rehearsing: settings.server.address });
    await startServer(settings, deps.config.timing, run.signal);
    const { stateDigest } = await liveDigest(settings, deps.config.timing, run.signal);
    await serviceOf(settings).stop();
    requireSame(stateDigest, plan);
  } catch (error) {
    throw rehearsalFailure(error);
  } finally {
    await clear(plan.dataDir, rehearsal);
  }
  if ((await treeStamp(wal)) !== before) throw new RstowError('rehearsal-failed', 'the rehearsal changed the restored files');
}

/** Whatever an earlier attempt left: its server, then its folder. */
async function clear(dataDir: string, rehearsal: string): Promise<void> {
  await endHolders(rehearsal, { graceMs: 0 });
  await removeTree(dataDir, rehearsal);
}

function requireSame(stateDigest: string, plan: RestorePlan): void {
  if (stateDigest === plan.stateDigest) return;
  throw new RstowError('digest-different', `a server on the restored files shows the state ${stateDigest}, not ${plan.stateDigest}`, {
    details: { found: stateDigest, promised: plan.stateDigest },
  });
}

/** The server's own failure to start is what a rehearsal is for. */
function rehearsalFailure(error: unknown): unknown {
  if (!(error instanceof RstowError) || error.code !== 'service-start-failed') return error;
  return new RstowError('rehearsal-failed', error.message, { details: error.details, cause: error });
}

async function memoryShortage(plan: RestorePlan): Promise<RstowError | undefined> {
  const walBytes = plan.segments.reduce((sum, segment) => sum + segment.endBytes, 0);
  const neededBytes = Math.ceil(walBytes * MEMORY_PER_WAL_BYTE) + MEMORY_RESERVE_BYTES;
  const availableBytes = await availableMemoryBytes();
  if (availableBytes >= neededBytes) return undefined;
  return new RstowError(
    'not-enough-memory',
    `a server needs about ${neededBytes} bytes of memory to replay this log, and ${availableBytes} are free`,
    {
      details: { neededBytes, availableBytes },
    },
  );
}
