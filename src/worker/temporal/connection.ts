import { setTimeout as sleep } from 'node:timers/promises';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, type NativeConnectionOptions } from '@temporalio/worker';
import type { AgentConfig } from '../../config/agent-config.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Logger } from '../telemetry/agent-logger.ts';

export type TemporalConnection = { connection: NativeConnection; namespace: string; clusterId: string };

export type ConnectOptions = { logger: Logger; signal: AbortSignal };

type TemporalSettings = { connectionOptions: NativeConnectionOptions; namespace: string };

const BACKOFF_INITIAL_MS = 500;
const BACKOFF_MAX_MS = 10_000;
const REQUEST_MS = 10_000;

/**
 * Connects by the config, else by TEMPORAL_* and temporal.toml, which say nothing of an embedded server. An agent outlives its Temporal: it waits for it, says
 * so at every attempt, and gives up only if it is asked to end. Fails: invalid-config; the signal's reason.
 */
export async function connectTemporal(config: AgentConfig['temporal'], options: ConnectOptions): Promise<TemporalConnection> {
  const settings = temporalSettings(config);
  for (let backoffMs = BACKOFF_INITIAL_MS; ; backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS)) {
    options.signal.throwIfAborted();
    try {
      return await connectOnce(settings);
    } catch (error) {
      const { address } = settings.connectionOptions;
      const why = error instanceof Error ? error.message : String(error);
      options.logger.warn({ code: 'temporal-unreachable', address, namespace: settings.namespace, why }, 'waiting for Temporal');
    }
    await sleep(backoffMs, undefined, { signal: options.signal });
  }
}

/** As `connectTemporal`, but doesn't wait for it. Fails: invalid-config; temporal-unreachable, within seconds. */
export async function connectTemporalNow(config: AgentConfig['temporal']): Promise<TemporalConnection> {
  const settings = temporalSettings(config);
  try {
    return await connectOnce(settings);
  } catch (cause) {
    const { address } = settings.connectionOptions;
    const sentence = `no Temporal server with namespace "${settings.namespace}" answers at ${address ?? ''}`;
    throw new RstowError('temporal-unreachable', sentence, { details: { address: address ?? null }, cause });
  }
}

/** Also asks for the namespace: a worker in a missing one would end at once. */
async function connectOnce({ connectionOptions, namespace }: TemporalSettings): Promise<TemporalConnection> {
  const connection = await NativeConnection.connect(connectionOptions);
  try {
    return await connection.withDeadline(Date.now() + REQUEST_MS, async () => {
      await connection.workflowService.describeNamespace({ namespace });
      const { clusterId } = await connection.workflowService.getClusterInfo({});
      return { connection, namespace, clusterId };
    });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function temporalSettings(config: AgentConfig['temporal']): TemporalSettings {
  if (config.embedded !== undefined) {
    return { connectionOptions: { address: `127.0.0.1:${config.embedded.port}` }, namespace: config.namespace ?? 'default' };
  }
  try {
    const fromEnvironment = loadClientConnectConfig();
    const { address = fromEnvironment.connectionOptions.address ?? '127.0.0.1:7233' } = config;
    return {
      connectionOptions: { ...fromEnvironment.connectionOptions, address },
      namespace: config.namespace ?? fromEnvironment.namespace ?? 'default',
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RstowError('invalid-config', `TEMPORAL_* or temporal.toml can't be used: ${why}`, { cause });
  }
}
