import { loadClientConnectConfig } from '@temporalio/envconfig';
import { type ConnectedClient, connectRstow } from '../client/rstow-client.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { createOutput } from './output.ts';
import { type PlaceOptions, temporalPlace } from './temporal-place.ts';

export type TemporalOptions = PlaceOptions & {
  namespace?: string;
  embeddedUi?: string;
  /** Of the web UI, for links. */
  ui?: string;
};

export type TemporalClient = {
  rstow: ConnectedClient;
  address: string;
  namespace: string;
  /** Undefined if nobody has said where the UI is. */
  ui: string | undefined;
};

/** After that a person wants to know what the command waits for. */
const SILENT_MS = 1_000;

/**
 * Connects by the options, else by TEMPORAL_* and temporal.toml, else by the config of this host's agent. Fails: temporal-unreachable,
 * within 10 s, and says who has named the address; invalid-config if the environment can't be used; invalid-input if there is no such
 * namespace.
 */
async function connectClient(options: TemporalOptions): Promise<TemporalClient> {
  const { connectionOptions, namespace: ownNamespace } = environmentSettings();
  const place = await temporalPlace(options, connectionOptions.address);
  const { address } = place;
  const namespace = options.namespace ?? ownNamespace ?? place.namespace ?? 'default';
  const waiting = setTimeout(() => createOutput(false).note(`waiting for Temporal at ${address}`), SILENT_MS);
  const rstow = await connectRstow({ ...connectionOptions, address, namespace })
    .catch((error: unknown) => {
      throw withNamer(error, place.namedBy);
    })
    .finally(() => clearTimeout(waiting));
  const ui = options.ui ?? (address === options.embeddedAddress ? options.embeddedUi : undefined);
  return { rstow, address, namespace, ui };
}

function withNamer(error: unknown, namedBy: string): unknown {
  if (!(error instanceof RstowError) || error.code !== 'temporal-unreachable') return error;
  const { code, message, details, hint } = error;
  return new RstowError(code, `${message} (${namedBy})`, { details, hint, cause: error });
}

/** Connects, does the work, and closes the connection. Fails: as `connectClient` and the work do. */
export async function withTemporal<T>(options: TemporalOptions, work: (temporal: TemporalClient) => Promise<T>): Promise<T> {
  const temporal = await connectClient(options);
  try {
    return await work(temporal);
  } finally {
    await temporal.rstow.close();
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
