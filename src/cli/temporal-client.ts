import { Client, Connection, type ConnectionOptions, isGrpcServiceError } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { channelArgsOf } from '../contract/loopback.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

export type TemporalOptions = {
  address?: string;
  namespace?: string;
  /** Of the server that `rstow up` runs here, for when nothing else names one. */
  embeddedAddress?: string;
  embeddedUi?: string;
  /** Of the web UI, for links. */
  ui?: string;
};

export type TemporalClient = {
  client: Client;
  address: string;
  namespace: string;
  /** Undefined where nobody has said where the UI is. */
  ui: string | undefined;
  close: () => Promise<void>;
};

const CONNECT_MS = 5_000;
/** Of the second try, which only asks whether TLS makes the difference. */
const OTHER_TLS_CONNECT_MS = 2_000;
const GRPC_NOT_FOUND = 5;

/**
 * Connects by the options, else by TEMPORAL_* and temporal.toml. Fails: temporal-unreachable, within 10 s;
 * invalid-config if the environment can't be used; invalid-input if there is no such namespace.
 */
export async function connectClient(options: TemporalOptions): Promise<TemporalClient> {
  const fromEnvironment = environmentSettings();
  const address = options.address ?? fromEnvironment.connectionOptions.address ?? options.embeddedAddress ?? '127.0.0.1:7233';
  const namespace = options.namespace ?? fromEnvironment.namespace ?? 'default';
  const connectionOptions = {
    ...fromEnvironment.connectionOptions,
    address,
    connectTimeout: CONNECT_MS,
    channelArgs: channelArgsOf(address),
  } as ConnectionOptions;
  const connection = await Connection.connect(connectionOptions).catch(async (cause: unknown) => {
    throw new RstowError('temporal-unreachable', await whyUnreachable(connectionOptions, address), { details: { address }, cause });
  });
  const client = new Client({ connection, namespace });
  await requireNamespace(client, namespace).catch(async (error: unknown) => {
    await connection.close();
    throw error;
  });
  const ui = options.ui ?? (address === options.embeddedAddress ? options.embeddedUi : undefined);
  return { client, address, namespace, ui, close: () => connection.close() };
}

export function unknownNamespace(namespace: string): string {
  return `Temporal has no namespace "${namespace}", which --namespace or TEMPORAL_NAMESPACE names`;
}

/** Asked first, for an unknown namespace looks different in each later request. Who may not ask finds out by those. */
async function requireNamespace({ workflowService }: Client, namespace: string): Promise<void> {
  try {
    await workflowService.describeNamespace({ namespace });
  } catch (cause) {
    const code: number | undefined = isGrpcServiceError(cause) ? cause.code : undefined;
    if (code !== GRPC_NOT_FOUND) return;
    throw new RstowError('invalid-input', unknownNamespace(namespace), { details: { namespace }, cause });
  }
}

/** A server that answers without TLS, or only with it, is there: then the settings are wrong. */
async function whyUnreachable(options: ConnectionOptions, address: string): Promise<string> {
  const usesTls = options.tls !== undefined && options.tls !== null && options.tls !== false;
  try {
    const other = await Connection.connect({ ...options, tls: !usesTls, connectTimeout: OTHER_TLS_CONNECT_MS });
    await other.close();
    return usesTls
      ? `the Temporal server at ${address} does not use TLS, but TEMPORAL_TLS or temporal.toml asks for it`
      : `the Temporal server at ${address} wants TLS; set TEMPORAL_TLS=true`;
  } catch {
    return `no Temporal server answers at ${address}`;
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
