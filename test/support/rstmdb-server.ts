/** A real rstmdb for tests. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { openSync, closeSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRstmdb, type RstmdbTls } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { freePort } from './free-port.ts';
import type { TlsCertificates } from './tls-certificates.ts';
import { toolPath } from './tools.ts';
import { endedWithUs } from './server-child.ts';

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

export type RstmdbServerOptions = {
  /** `wal/` and `snapshots/` are made in it. */
  dataDir: string;
  /** This very port, e.g. that of a server that was stopped; else a free one, from `portMin` up if given. */
  port?: number;
  portMin?: number;
  /** `tokenHashOf(token)`: the server then wants that token. */
  tokenHash?: string;
  tls?: { certificates: TlsCertificates; requireClientCert?: boolean };
  /** More of the server's variables (RSTMDB_…, RUST_LOG); they win. */
  env?: Record<string, string>;
};

export type RstmdbServer = {
  address: string;
  port: number;
  pid: number;
  dataDir: string;
  logText: () => string;
  /** Ends it and waits for that; gives the exit code, or the name of the signal that it died of. Twice: the same answer. */
  stop: (signal?: NodeJS.Signals) => Promise<number | NodeJS.Signals>;
  kill: () => Promise<void>;
};

export function tokenHashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Starts the rstmdb on PATH and waits until it answers; throws with its log where it doesn't. */
export async function startRstmdb(options: RstmdbServerOptions): Promise<RstmdbServer> {
  const port = options.port ?? (await freePort(options.portMin));
  const logFolder = await mkdtemp(join(tmpdir(), 'rstow-rstmdb-log-'));
  const child = spawnServer(options, port, join(logFolder, 'rstmdb.log'));
  const server = handleOf(child, { port, dataDir: options.dataDir, logFolder });
  try {
    await answering(child, server.address, options.tls);
    return server;
  } catch (error) {
    const log = server.logText();
    await server.kill();
    throw new Error(`rstmdb on ${options.dataDir} did not start; its log ends:\n${log.slice(-2000)}`, { cause: error });
  }
}

function spawnServer(options: RstmdbServerOptions, port: number, logFile: string): ChildProcess {
  const log = openSync(logFile, 'a');
  try {
    return endedWithUs(spawn(toolPath('rstmdb'), [], { env: environment(options, port), stdio: ['ignore', log, log] }));
  } finally {
    closeSync(log);
  }
}

function environment(options: RstmdbServerOptions, port: number): Record<string, string> {
  const { tokenHash, tls } = options;
  const auth = tokenHash === undefined ? {} : { RSTMDB_AUTH_REQUIRED: 'true', RSTMDB_AUTH_TOKEN_HASH: tokenHash };
  return {
    PATH: process.env['PATH'] ?? '',
    NO_COLOR: '1',
    // A line for each request would slow a load down and fill the disk.
    RUST_LOG: 'info,rstmdb_server::server=warn',
    RSTMDB_BIND: `127.0.0.1:${port}`,
    RSTMDB_DATA: options.dataDir,
    RSTMDB_METRICS_ENABLED: 'false',
    ...auth,
    ...(tls === undefined ? {} : tlsEnvironment(tls.certificates, tls.requireClientCert ?? false)),
    ...options.env,
  };
}

function tlsEnvironment(certificates: TlsCertificates, requireClientCert: boolean): Record<string, string> {
  return {
    RSTMDB_TLS_ENABLED: 'true',
    RSTMDB_TLS_CERT: certificates.server.certFile,
    RSTMDB_TLS_KEY: certificates.server.keyFile,
    RSTMDB_TLS_REQUIRE_CLIENT_CERT: String(requireClientCert),
    RSTMDB_TLS_CLIENT_CA: certificates.caFile,
  };
}

function handleOf(child: ChildProcess, place: { port: number; dataDir: string; logFolder: string }): RstmdbServer {
  const logFile = join(place.logFolder, 'rstmdb.log');
  let lastLog: string | undefined;
  const logText = (): string => lastLog ?? readFileSync(logFile, 'utf8');
  const stop = async (signal: NodeJS.Signals = 'SIGINT'): Promise<number | NodeJS.Signals> => {
    if (!hasEnded(child)) {
      child.kill(signal);
      await once(child, 'exit');
    }
    lastLog = logText();
    await rm(place.logFolder, { recursive: true, force: true });
    return child.exitCode ?? child.signalCode ?? 'SIGKILL';
  };
  const kill = async (): Promise<void> => {
    await stop('SIGKILL');
  };
  return { address: `127.0.0.1:${place.port}`, port: place.port, pid: child.pid ?? 0, dataDir: place.dataDir, logText, stop, kill };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function answering(child: ChildProcess, address: string, tls: RstmdbServerOptions['tls']): Promise<void> {
  const trust: { tls?: RstmdbTls } = tls === undefined ? {} : { tls: { caFile: tls.certificates.caFile, ...tls.certificates.client } };
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const client = await connectRstmdb({ address, connectTimeoutMs: 2000, requestTimeoutMs: 2000, ...trust });
      await client.close();
      // Another server may have taken the port and answered: then ours is about to end.
      if (!hasEnded(child)) return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    if (hasEnded(child)) throw new Error(`it ended with ${child.exitCode ?? child.signalCode}`);
    await sleep(POLL_MS);
  }
}
