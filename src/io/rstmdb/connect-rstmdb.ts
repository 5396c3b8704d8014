import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { objectText } from './protocol.ts';
import { RstmdbClient, TLS_PACE } from './rstmdb-client.ts';
import { readSecretFile } from '../files/secret-file.ts';
import { ping } from './server.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { CONNECT, socketError, timeoutError } from './connection-error.ts';

/**
 * Connects, shows the token where there is one, and waits for an answer: some refusals of TLS come only with it.
 * A server that wants a token refuses a client without one at its first request, not here.
 * Fails: invalid-config, server-unreachable, server-refused.
 */
export async function connectRstmdb(options: RstmdbConnectionOptions): Promise<RstmdbClient> {
  const token = options.tokenFile === undefined ? undefined : await readSecretFile(options.tokenFile);
  const client = new RstmdbClient(await openSocket(options), options.tls === undefined ? options : { ...options, pace: TLS_PACE });
  try {
    if (token !== undefined) await client.request('AUTH', objectText({ method: '"bearer"', token: JSON.stringify(token) }));
    await ping(client);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/;

/**
 * A connected socket; for TLS the server's certificate has been checked.
 * Fails: invalid-config, server-unreachable, server-refused (certificates).
 */
async function openSocket(options: RstmdbConnectionOptions): Promise<net.Socket> {
  const place = parseAddress(options.address);
  const secureContext = options.tls === undefined ? undefined : await makeSecureContext(options.tls);
  options.signal?.throwIfAborted();
  const name = options.tls?.serverName ?? place.host;
  const socket = secureContext === undefined ? net.connect(place) : tls.connect({ ...place, secureContext, ...identity(name) });
  await connected(socket, secureContext === undefined ? 'connect' : 'secureConnect', options);
  return socket.setNoDelay(true);
}

async function connected(socket: net.Socket, event: string, options: RstmdbConnectionOptions): Promise<void> {
  const { address, connectTimeoutMs, signal } = options;
  const timer = setTimeout(() => socket.destroy(timeoutError(address, CONNECT, connectTimeoutMs)), connectTimeoutMs);
  try {
    await once(socket, event, signal === undefined ? {} : { signal });
  } catch (error) {
    // Without a listener, an error that comes after this one would end the process.
    socket.on('error', () => undefined).destroy();
    if (signal?.aborted === true) throw signal.reason;
    throw error instanceof RstowError ? error : socketError(address, error as Error);
  } finally {
    clearTimeout(timer);
  }
}

function parseAddress(address: string): { host: string; port: number } {
  const match = ADDRESS.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new RstowError('invalid-config', `the server's address ${JSON.stringify(address)} is not host:port`, { details: { address } });
  }
  return { host, port };
}

/** TLS forbids an address as the name to ask for, but certificates may carry one: so the check is told the name apart. */
function identity(name: string): tls.ConnectionOptions {
  const checkServerIdentity: typeof tls.checkServerIdentity = (_host, certificate) => tls.checkServerIdentity(name, certificate);
  return net.isIP(name) === 0 ? { servername: name, checkServerIdentity } : { checkServerIdentity };
}

async function makeSecureContext(files: RstmdbTls): Promise<tls.SecureContext> {
  const key = files.keyFile === undefined ? {} : { key: await readSecretFile(files.keyFile) };
  const paths = [files.caFile, files.certFile, files.keyFile].filter((path) => path !== undefined);
  try {
    const ca = files.caFile === undefined ? {} : { ca: await readFile(files.caFile) };
    const cert = files.certFile === undefined ? {} : { cert: await readFile(files.certFile) };
    return tls.createSecureContext({ ...ca, ...cert, ...key });
  } catch (error) {
    throw new RstowError('invalid-config', `the TLS files ${paths.join(', ')} cannot be used`, { details: { paths }, cause: error });
  }
}

export type RstmdbTls = {
  /** PEM file with the authorities to trust; without it those of the system. */
  caFile?: string | undefined;
  /** PEM files with this client's own certificate and key, where the server asks for one. */
  certFile?: string | undefined;
  keyFile?: string | undefined;
  /** The name that the server's certificate must carry; without it the host of the address. */
  serverName?: string | undefined;
};

type RstmdbConnectionOptions = {
  /** `host:port`; an IPv6 host in brackets. */
  address: string;
  /** Read anew for each connection, so that a token can be changed while rstow runs. */
  tokenFile?: string | undefined;
  tls?: RstmdbTls | undefined;
  connectTimeoutMs: number;
  /** How long one request may wait for its answer; it is counted from when it was sent. */
  requestTimeoutMs: number;
  /** Ends the connection and everything that waits on it with the signal's reason. */
  signal?: AbortSignal | undefined;
};
