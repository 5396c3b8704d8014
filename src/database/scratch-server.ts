import { join } from 'node:path';
import type { DatabaseConfig } from '../config/agent-config.ts';
import { assert, RstowError } from '../core/errors/rstow-error.ts';
import { portHolders, processesWithOpenFilesUnder } from '../io/process/open-files.ts';
import { removeContainers } from '../io/service/container-service.ts';
import { endHolders } from '../io/service/prove-stopped.ts';
import { freePort } from '../io/service/ports.ts';
import type { ServiceConfig } from '../io/service/create-service.ts';
import { type Database, openServer, type Server } from './database.ts';
import { findServerProgram, portShortage, serverProgramMissing } from './scratch-needs.ts';
import { startServer } from './server-start.ts';

/** The database whose server program it is, other data, and the run that asks. */
export type ScratchPlace = {
  database: Database;
  dataDir: string;
  runId: string;
  /** Of the run's step, which has at most one such server at a time: the server of another is never taken for its own. */
  attempt: string;
};

const STOP_TIMEOUT_MS = 30_000;

/** A port that we chose may be taken by somebody else before the server has it; so many are tried. */
const PORTS_MAX = 5;

/**
 * Boots the database's own server program on other data, a loopback port and a state of its own: nothing that it could
 * do to the real one. Fails: port-taken, service-start-failed, server-program-missing. Twice: end the earlier one first.
 */
export async function bootScratchServer(place: ScratchPlace, signal: AbortSignal): Promise<Server> {
  const fixedPort = place.database.settings.rehearsal.port;
  for (let tried = 1; ; tried += 1) {
    const port = fixedPort ?? (await freePort());
    try {
      return await bootOn(port, place, signal);
    } catch (error) {
      await endScratchServer(place);
      // A server that can't have its port just ends: only the port shows why.
      const taken = await portShortage(port);
      if (taken === undefined) throw error;
      if (fixedPort !== undefined || tried === PORTS_MAX) throw taken;
    }
  }
}

/** Ends what the attempt has started on its data. Fails: service-stop-failed. Twice: no-op. */
export async function endScratchServer({ database, dataDir, runId, attempt }: ScratchPlace): Promise<void> {
  await endServers(database, dataDir, `^${scratchContainerPrefix(runId)}${attempt}$`);
}

/** Ends whatever any attempt of the run has started in the folder. Fails: service-stop-failed. Twice: no-op. */
export async function endScratchServers({ database, dataDir, runId }: Omit<ScratchPlace, 'attempt'>): Promise<void> {
  await endServers(database, dataDir, `^${scratchContainerPrefix(runId)}`);
}

/** What the names of all containers of a run begin with: by it whoever cleans up after an agent that died finds them. */
export function scratchContainerPrefix(runId: string): string {
  return `rstow-${runId}-`;
}

async function endServers({ settings }: Database, folder: string, names: string): Promise<void> {
  const { container } = settings.rehearsal;
  if (container !== undefined) await removeContainers(container.engine, names);
  await endHolders(folder, { graceMs: 0 });
}

async function bootOn(port: number, place: ScratchPlace, signal: AbortSignal): Promise<Server> {
  const server = await scratchServer(place, port);
  const taken = await portShortage(port);
  if (taken !== undefined) throw taken;
  await startServer(server, signal);
  if (!(await isOurs(server, port))) throw new RstowError('service-start-failed', `another server answers at ${server.address}`);
  return server;
}

/** What answers there could be anybody's, and a test writes to it. */
async function isOurs({ service, dataDir }: Server, port: number): Promise<boolean> {
  if (!(await service.isRunning())) return false;
  if (service.processes === undefined) return true;
  const holders = (await portHolders(port)).map(({ pid }) => pid);
  const writers = await processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid, writersOnly: true });
  const ours = [...(await service.processes()), ...writers].map(({ pid }) => pid);
  // As another user's they can't be seen.
  return holders.length === 0 || holders.some((pid) => ours.includes(pid));
}

/** The database's server program, as a process or in a container, on other data and another port. Fails: server-program-missing. */
async function scratchServer(place: ScratchPlace, port: number): Promise<Server> {
  const { settings, timing } = place.database;
  const { rehearsal, server } = settings;
  const { container, startTimeoutMs } = rehearsal;
  const service = container === undefined ? await processService(place, port) : containerService(place, port, container);
  const beside = { ...server, address: `127.0.0.1:${port}`, tls: tlsOf(server) };
  return openServer({ server: beside, service, dataDir: place.dataDir, startTimeoutMs }, timing);
}

async function processService({ database, dataDir }: ScratchPlace, port: number): Promise<ServiceConfig> {
  const program = await findServerProgram(database);
  if (program === undefined) throw serverProgramMissing();
  const { command, cwd } = program;
  const env = { ...program.env, ...privateServer(dataDir, `127.0.0.1:${port}`) };
  return { kind: 'process', command: [...command], env, cwd, stateDir: join(dataDir, 'service'), stopTimeoutMs: STOP_TIMEOUT_MS };
}

type Container = NonNullable<DatabaseConfig['rehearsal']['container']>;

function containerService(place: ScratchPlace, port: number, container: Container): ServiceConfig {
  const { engine, image, memoryBytes, options } = container;
  const { rehearsal } = place.database.settings;
  return {
    kind: 'container',
    engine,
    image,
    memoryBytes,
    options,
    name: `${scratchContainerPrefix(place.runId)}${place.attempt}`,
    dataDir: place.dataDir,
    containerDataDir: container.dataDir,
    port,
    containerPort: container.port,
    env: { ...rehearsal.env, ...privateServer(container.dataDir, `0.0.0.0:${container.port}`) },
    user: container.user ?? ownUser(engine),
    startTimeoutMs: rehearsal.startTimeoutMs,
    stopTimeoutMs: STOP_TIMEOUT_MS,
  };
}

/** So that we can remove what the server writes. For podman, root in a container is whoever started it. */
function ownUser(engine: Container['engine']): string {
  const [user, group] = [process.getuid?.(), process.getgid?.()];
  assert(user !== undefined && group !== undefined, 'Linux has user and group ids');
  return engine === 'podman' ? '0:0' : `${user}:${group}`;
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
function tlsOf({ tls, address }: DatabaseConfig['server']): DatabaseConfig['server']['tls'] {
  if (tls === undefined) return undefined;
  const serverName = tls.serverName ?? address.replace(/:[0-9]+$/, '').replace(/^\[|\]$/g, '');
  return { ...tls, serverName };
}
