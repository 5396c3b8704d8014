import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EmbeddedTemporalConfig } from '../config/agent-config.ts';
import type { EmbeddedTemporalState } from '../formats/agent-state.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { portHolders, processesWithOpenFilesUnder } from '../io/process/open-files.ts';
import { portState } from '../io/service/ports.ts';
import { createProcessService } from '../io/service/process-service.ts';
import type { Service } from '../io/service/service.ts';
import type { Logger } from '../worker/telemetry/agent-logger.ts';
import { startRepeatingTask } from '../worker/watch/repeating-task.ts';
import {
  answeringCluster,
  compareVersions,
  copyDatabase,
  databaseLoss,
  devServerCommand,
  installedCliVersion,
  putAside,
  readTemporalState,
  saysDamaged,
  setRetention,
  writeTemporalState,
} from './dev-server.ts';

export type EmbeddedTemporalOptions = {
  /** Its own; made if it is missing. The caller holds the agent's mutex, so that nobody else opens it. */
  folder: string;
  ports: EmbeddedTemporalConfig;
  namespace: string;
  logger: Logger;
  /** Aborted: a start that is under way is given up. */
  signal: AbortSignal;
};

export type EmbeddedTemporal = {
  address: string;
  uiUrl: string;
  /** True for a server that a killed `up` had left running. */
  isAdopted: boolean;
  /** For a person, if the database file was lost or damaged and has been begun anew. */
  loss: string | undefined;
  /** Ends the server; its runs stay in its file. */
  close(): Promise<void>;
};

type Embedded = EmbeddedTemporalOptions & { service: Service; address: string; databaseFile: string; loss: string | undefined };

const DAY_MS = 86_400_000;
const RETENTION_MS = 90 * DAY_MS;
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 200;
const WATCH_INTERVAL_MS = 5_000;
const PORT_ANSWER_MS = 2_000;

/**
 * Makes this folder's Temporal server answer, and keeps it so: adopts the one that lives, else starts one.
 * Fails: temporal-cli-unsuitable, temporal-unreachable, port-taken, agent-state-unsupported, busy.
 */
export async function openEmbeddedTemporal(options: EmbeddedTemporalOptions): Promise<EmbeddedTemporal> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const embedded = embeddedOf(options);
  const { address, service, namespace } = embedded;
  try {
    const isAdopted = await adopt(embedded);
    if (isAdopted) await setRetention(address, namespace, RETENTION_MS);
    else await start(embedded);
    const uiUrl = `http://127.0.0.1:${options.ports.uiPort}`;
    return { address, uiUrl, isAdopted, loss: embedded.loss, close: keepAlive(embedded) };
  } catch (error) {
    await service.stop();
    throw error;
  }
}

/** Gives what ends it. */
function keepAlive(embedded: Embedded): () => Promise<void> {
  const watching = new AbortController();
  const { logger } = embedded;
  const { signal } = watching;
  const watch = startRepeatingTask(() => revive(embedded), {
    what: 'watching Temporal',
    intervalMs: WATCH_INTERVAL_MS,
    logger,
    signal,
  });
  return async () => {
    watching.abort();
    await watch.ended;
    await embedded.service.stop();
  };
}

function embeddedOf(options: EmbeddedTemporalOptions): Embedded {
  const { folder, ports, namespace } = options;
  const databaseFile = join(folder, 'temporal.db');
  // A name without a folder: Temporal makes a URI of it, in which `?`, `#` and `%` of a folder would mean something else.
  const command = devServerCommand({ ...ports, databaseFile: basename(databaseFile), namespace });
  const service = createProcessService({
    command,
    env: {},
    cwd: folder,
    stateDir: folder,
    dataDir: folder,
    stopTimeoutMs: STOP_TIMEOUT_MS,
  });
  return { ...options, service, address: `127.0.0.1:${ports.port}`, databaseFile, loss: undefined };
}

/** Only the very process that was started for this folder, on the ports of today, and with the cluster that its file holds. */
async function adopt(embedded: Embedded): Promise<boolean> {
  const { folder, ports, service, logger } = embedded;
  if (!(await service.isRunning())) return false;
  const state = await readTemporalState(folder);
  const isInPlace = state?.port === ports.port && state.uiPort === ports.uiPort;
  if (isInPlace && (await hasAnswered(embedded, state))) {
    await service.start();
    return true;
  }
  logger.warn({ folder }, 'the Temporal server that was left running is not the one that is wanted: it is replaced');
  await service.stop();
  return false;
}

/** A file that was lost or damaged holds no run that could continue: it is put aside, and a new one is begun. */
async function start(embedded: Embedded): Promise<void> {
  await refuseStrangers(embedded);
  const loss = (await readTemporalState(embedded.folder))?.clusterId === undefined ? undefined : await databaseLoss(embedded.databaseFile);
  if (loss !== undefined) await beginAnew(embedded, loss);
  try {
    await startOnFile(embedded);
  } catch (error) {
    if (loss !== undefined || !saysDamaged(await embedded.service.logTail())) throw error;
    await embedded.service.stop();
    await beginAnew(embedded, 'is damaged');
    await startOnFile(embedded);
  }
}

async function beginAnew(embedded: Embedded, what: string): Promise<void> {
  const { folder, databaseFile, logger } = embedded;
  const aside = await putAside(databaseFile, new Date().toISOString().replaceAll(/[-:]|\.[0-9]+/g, ''));
  const state = await readTemporalState(folder);
  if (state !== undefined) await writeTemporalState(folder, { ...state, clusterId: undefined });
  const kept = aside === undefined ? '' : ` It is kept as ${aside}.`;
  embedded.loss = `${databaseFile} ${what}: Temporal begins anew, without the histories of earlier runs and with new schedules. No backup is lost.${kept}`;
  logger.warn({ databaseFile, aside }, embedded.loss);
}

async function startOnFile(embedded: Embedded): Promise<void> {
  const { folder, ports, service, databaseFile } = embedded;
  const known = await readTemporalState(folder);
  const cliVersion = await installedCliVersion();
  if (known !== undefined) await prepareUpgrade(databaseFile, { from: known.cliVersion, to: cliVersion });
  const state: EmbeddedTemporalState = { ...known, ...ports, cliVersion };
  await writeTemporalState(folder, state);
  await service.start().catch(async (cause: unknown) => {
    throw await notStarted(embedded, cause);
  });
  if (!(await hasAnswered(embedded, state))) throw await notStarted(embedded, undefined);
  await setRetention(embedded.address, embedded.namespace, RETENTION_MS);
}

/** An older server must not open what a newer one may have changed; before a newer one opens it, a copy is kept. */
async function prepareUpgrade(databaseFile: string, version: { from: string; to: string }): Promise<void> {
  const order = compareVersions(version.to, version.from);
  if (order > 0) await copyDatabase(databaseFile, version.from);
  if (order >= 0) return;
  const sentence = `${databaseFile} was last opened by Temporal CLI ${version.from}, but \`temporal\` on PATH is the older ${version.to}`;
  throw new RstowError('temporal-cli-unsuitable', sentence, { details: version });
}

/** Two servers on one file both answer, and each runs what the other doesn't know of. */
async function refuseStrangers({ folder, ports }: Embedded): Promise<void> {
  const [stranger] = await processesWithOpenFilesUnder(folder, { ignorePid: process.pid, writersOnly: true });
  if (stranger !== undefined) {
    const { pid, command } = stranger;
    throw new RstowError('busy', `process ${pid} (${command}) already works in ${folder}`, { details: { pid, command } });
  }
  for (const port of [ports.port, ports.uiPort]) {
    if ((await portState({ host: '127.0.0.1', port }, PORT_ANSWER_MS)).kind !== 'open') continue;
    throw await portTaken(port);
  }
}

async function portTaken(port: number): Promise<RstowError> {
  const [holder] = await portHolders(port);
  const who = holder === undefined ? 'another program' : `process ${holder.pid} (${holder.command})`;
  const sentence = `${who} listens on 127.0.0.1:${port}, which rstow’s own Temporal needs (temporal.embedded in rstow’s config file)`;
  return new RstowError('port-taken', sentence, { details: { port, pid: holder?.pid ?? null } });
}

/** Waits while the process lives; learns the cluster's id at the first start. */
async function hasAnswered(embedded: Embedded, state: EmbeddedTemporalState): Promise<boolean> {
  const { address, namespace, service, folder, signal } = embedded;
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    signal.throwIfAborted();
    const clusterId = await answeringCluster(address, namespace);
    if (clusterId === undefined && !(await service.isRunning())) return false;
    if (clusterId !== undefined && state.clusterId === undefined) await writeTemporalState(folder, { ...state, clusterId });
    if (clusterId !== undefined) return clusterId === (state.clusterId ?? clusterId);
    await sleep(POLL_MS, undefined, { signal });
  }
  return false;
}

async function notStarted({ service, folder, address }: Embedded, cause: unknown): Promise<RstowError> {
  const said = (await service.logTail()).trim().split('\n').at(-1) ?? '';
  const sentence = `the Temporal server of ${folder} does not serve at ${address}${said === '' ? '' : `: ${said}`}`;
  return new RstowError('temporal-unreachable', sentence, { details: { folder, address }, cause });
}

/** A server that ended by itself, or that somebody killed, is started again on its file. */
async function revive(embedded: Embedded): Promise<void> {
  if (await embedded.service.isRunning()) return;
  embedded.logger.warn({ folder: embedded.folder }, 'the Temporal server has ended: it is started again');
  await start(embedded);
}
