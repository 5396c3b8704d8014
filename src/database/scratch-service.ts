import { join } from 'node:path';
import type { DatabaseConfig } from '../config/agent-config.ts';
import { assert } from '../core/errors/assert.ts';
import type { ManagedServer } from './managed-service.ts';
import { findServerProgram, serverProgramMissing } from './server-program.ts';

/** The database whose server it is, other data, and the run that asks. */
export type ScratchPlace = {
  settings: DatabaseConfig;
  dataDir: string;
  runId: string;
  /** Of the run's step, which has at most one such server at a time: the server of another is never taken for its own. */
  attempt: string;
};

const STOP_TIMEOUT_MS = 30_000;

/** The database's server program, as a process or in a container, on other data and another port. Fails: server-program-missing. */
export async function scratchServer(place: ScratchPlace, port: number): Promise<ManagedServer> {
  const { settings, dataDir } = place;
  const { rehearsal, server } = settings;
  return {
    dataDir,
    server: { ...server, address: `127.0.0.1:${port}`, ...tlsOf(settings) },
    service: rehearsal.container === undefined ? await processService(place, port) : containerService(place, port, rehearsal.container),
    startTimeoutMs: rehearsal.startTimeoutMs,
  };
}

/** What the names of all containers of a run begin with: by it whoever cleans up after an agent that died finds them. */
export function scratchContainerPrefix(runId: string): string {
  return `rstow-${runId}-`;
}

async function processService({ settings, dataDir }: ScratchPlace, port: number): Promise<ManagedServer['service']> {
  const program = await findServerProgram(settings);
  if (program === undefined) throw serverProgramMissing();
  const { command, cwd } = program;
  const env = { ...program.env, ...privateServer(dataDir, `127.0.0.1:${port}`) };
  return { kind: 'process', command, env, cwd, stateDir: join(dataDir, 'service'), stopTimeoutMs: STOP_TIMEOUT_MS };
}

type Container = NonNullable<DatabaseConfig['rehearsal']['container']>;

function containerService(place: ScratchPlace, port: number, container: Container): ManagedServer['service'] {
  const { engine, image, memoryBytes, options } = container;
  const { rehearsal } = place.settings;
  return {
    ...{ kind: 'container', engine, image, memoryBytes, options },
    name: `${scratchContainerPrefix(place.runId)}${place.attempt}`,
    ...{ dataDir: place.dataDir, containerDataDir: container.dataDir },
    ...{ port, containerPort: container.port },
    env: { ...rehearsal.env, ...privateServer(container.dataDir, `0.0.0.0:${container.port}`) },
    user: container.user ?? ownUser(engine),
    ...{ startTimeoutMs: rehearsal.startTimeoutMs, stopTimeoutMs: STOP_TIMEOUT_MS },
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
function tlsOf({ server }: DatabaseConfig): Pick<DatabaseConfig['server'], 'tls'> {
  if (server.tls === undefined) return {};
  const serverName = server.tls.serverName ?? server.address.replace(/:[0-9]+$/, '').replace(/^\[|\]$/g, '');
  return { tls: { ...server.tls, serverName } };
}
