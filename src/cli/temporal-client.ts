import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { RstowError } from '../core/errors/rstow-error.ts';

export type TemporalOptions = {
  address?: string;
  namespace?: string;
  /** Of the server that `rstow up` runs here, for when nothing else names one. */
  embeddedAddress?: string;
};

export type TemporalClient = { client: Client; address: string; namespace: string; close: () => Promise<void> };

const CONNECT_MS = 5_000;

/**
 * Connects by the options, else by TEMPORAL_* and temporal.toml. Fails: temporal-unreachable, within 5 s;
 * invalid-config where the environment can't be used.
 */
export async function connectClient(options: TemporalOptions): Promise<TemporalClient> {
  const fromEnvironment = environmentSettings();
  const address = options.address ?? fromEnvironment.connectionOptions.address ?? options.embeddedAddress ?? '127.0.0.1:7233';
  const namespace = options.namespace ?? fromEnvironment.namespace ?? 'default';
  const connectionOptions = { ...fromEnvironment.connectionOptions, address, connectTimeout: CONNECT_MS } as ConnectionOptions;
  try {
    const connection = await Connection.connect(connectionOptions);
    return { client: new Client({ connection, namespace }), address, namespace, close: () => connection.close() };
  } catch (cause) {
    throw new RstowError('temporal-unreachable', `no Temporal answers at ${address}`, { details: { address }, cause });
  }
}

function environmentSettings(): ReturnType<typeof loadClientConnectConfig> {
  try {
    return loadClientConnectConfig();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RstowError('invalid-config', `TEMPORAL_* or temporal.toml can't be used: ${why}`, { cause });
  }
}
