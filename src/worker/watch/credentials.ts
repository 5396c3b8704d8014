import { createHash } from 'node:crypto';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { AgentConfig } from '../../config/agent-config.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { startRepeatingTask } from './repeating-task.ts';

const INTERVAL_MS = 10_000;

export type CredentialWatch = {
  /** Aborted when a new connection would have other credentials. */
  renewed: AbortSignal;
  stop(): Promise<void>;
};

/**
 * Watches the files that the connection's certificates and keys come from: a connection keeps for ever those that it
 * began with, and one that a rotation has made invalid is refused when it breaks.
 */
export function watchCredentials(config: AgentConfig['temporal'], logger: Logger): CredentialWatch {
  const renewal = new AbortController();
  const stopping = new AbortController();
  const before = config.embedded === undefined ? credentials() : undefined;
  const check = async (): Promise<void> => {
    const now = before === undefined ? undefined : credentials();
    // Files that are being replaced can't be read for a moment.
    if (now === undefined || now === before || renewal.signal.aborted) return Promise.resolve();
    logger.info('the credentials for Temporal have changed, so the agent reconnects');
    renewal.abort();
  };
  const options = { what: 'watching the credentials', intervalMs: INTERVAL_MS, logger, signal: stopping.signal };
  const watch = startRepeatingTask(check, options);
  return {
    renewed: renewal.signal,
    stop: async () => {
      stopping.abort();
      await watch.ended;
    },
  };
}

/** A hash: secrets stay where they are. Undefined where they can't be read. */
function credentials(): string | undefined {
  try {
    const { tls, apiKey } = loadClientConnectConfig().connectionOptions;
    return createHash('sha256')
      .update(JSON.stringify([tls, apiKey]))
      .digest('hex');
  } catch {
    return undefined;
  }
}
