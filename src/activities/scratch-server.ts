import { join } from 'node:path';
import type { DatabaseConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { freePort } from '../io/service/free-port.ts';

const STOP_TIMEOUT_MS = 30_000;

/**
 * The database's own server program on other data, a loopback port and a state of its own: nothing that it could do to
 * the real one. Fails: rehearsal-failed, where no command is configured that starts it.
 */
export async function scratchServer(settings: DatabaseConfig, dataDir: string): Promise<DatabaseConfig> {
  const service = settings.service.kind === 'process' ? settings.service : undefined;
  const command = settings.rehearsal.command ?? service?.command;
  if (command === undefined) {
    throw new RstowError('rehearsal-failed', 'rehearsal.command is not configured, and the service is no process that shows it');
  }
  const address = `127.0.0.1:${await freePort()}`;
  const env = { ...(settings.rehearsal.env ?? service?.env), ...privateServer(dataDir, address) };
  return {
    ...settings,
    dataDir,
    server: { ...settings.server, address, ...tlsOf(settings) },
    service: { kind: 'process', command, env, stateDir: join(dataDir, 'service'), stopTimeoutMs: STOP_TIMEOUT_MS },
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
