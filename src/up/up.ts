import { join, resolve } from 'node:path';
import type { AgentIdentity } from '../activities/activity-deps.ts';
import type { AgentConfig, DatabaseConfig } from '../config/agent-config.ts';
import { wantedSchedules } from '../config/schedules.ts';
import type { WantedSchedule } from '../contract/schedules.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { runCommand } from '../io/process/run-command.ts';
import { runAgent } from '../worker/agent.ts';
import { createAgentLogger } from '../worker/telemetry/agent-logger.ts';
import { DEFAULT_CONFIG_FILE } from '../contract/default-places.ts';
import { withEndingSignal } from '../worker/agent-program.ts';
import { withOwnOperator } from '../worker/operator-key.ts';
import { loadConfig } from '../worker/load-config.ts';
import { ownSigningKey } from '../worker/signing-key.ts';
import { type EmbeddedTemporal, openEmbeddedTemporal } from './embedded-temporal.ts';
import { type FlagConfig, flagConfigFile, requireUsablePlaces } from './flag-config.ts';
import type { FoundService } from './found-service.ts';

export type UpOptions = {
  /** A config file, or what one is made of; default: /etc/rstow/rstow.yaml. */
  config: { file: string | undefined } | { flags: FlagConfig };
  /** How often a database is backed up for which the config lists no backups; undefined: not at all. */
  everyMs: number | undefined;
  workflowBundlePath: string | undefined;
  /** Whether systemd waits for a message that the unit is ready. */
  isNotifying: boolean;
  /** Called once the agent is ready; the signal ends whatever it began. */
  onReady: (ready: UpReady, signal: AbortSignal) => Promise<void>;
  /** Called when Temporal has begun anew since then, without a run or a schedule. */
  onNewTemporal: (ready: UpReady) => Promise<void>;
};

export type UpReady = {
  configFile: string;
  config: AgentConfig;
  schedules: KeptSchedules[];
  /** What was found of the server and written into the config file now. */
  found: FoundService | undefined;
  agent: AgentIdentity;
  /** The public line of the key that the agent signs with what it stores. */
  signer: string;
  temporal: Pick<EmbeddedTemporal, 'address' | 'uiUrl' | 'isAdopted' | 'loss'> & { namespace: string };
};

type KeptSchedules = { database: string; wanted: WantedSchedule[] };

/** Not in the config file: clients find these by default. */
const DEFAULT_PORTS = { port: 7233, uiPort: 8233 };

/**
 * A Temporal server and an agent, until SIGTERM or SIGINT ends first the agent, then the server. A killed `up` leaves
 * the server running, and the next one takes it over. Fails: as the agent and the server do; invalid-config.
 */
export async function runUp(options: UpOptions): Promise<void> {
  const { config: chosen, everyMs, workflowBundlePath, isNotifying, onReady, onNewTemporal } = options;
  const { file, found } =
    'flags' in chosen ? await flagConfigFile(chosen.flags) : { file: chosen.file ?? DEFAULT_CONFIG_FILE, found: undefined };
  const configFile = resolve(file);
  const usable = withEmbedded(configFile, await loadConfig(configFile));
  await requireUsablePlaces(usable);
  const config = withBackups(await withOwnOperator(usable), everyMs);
  const { publicLine: signer } = await ownSigningKey(config.agent.stateDir);
  const { namespace = 'default', embedded: ports = DEFAULT_PORTS } = config.temporal;
  const logger = createAgentLogger();
  await withEndingSignal(async (ended) => {
    const ending = new AbortController();
    const signal = AbortSignal.any([ended, ending.signal]);
    const { promise: temporal, resolve: opened } = Promise.withResolvers<EmbeddedTemporal>();
    const { promise: agent, resolve: ready } = Promise.withResolvers<AgentIdentity>();
    const openTemporal = async (): Promise<EmbeddedTemporal> => {
      const server = await openEmbeddedTemporal({ folder: join(config.agent.stateDir, 'temporal'), ports, namespace, logger, signal });
      opened(server);
      return server;
    };
    const whenReady = Promise.all([temporal, agent]).then(([server, identity]): UpReady => {
      const schedules = keptSchedules(config);
      return { configFile, config, schedules, found, agent: identity, signer, temporal: { ...server, namespace } };
    });
    const onNewCluster = async (): Promise<void> => onNewTemporal(await whenReady);
    const running = runAgent({ config, configFile, workflowBundlePath, logger, signal, onReady: ready, onNewCluster, openTemporal });
    const serving = whenReady.then(async (up) => {
      if (isNotifying) await notifySystemd();
      await onReady(up, signal);
    });
    try {
      await Promise.race([running, serving.then(() => running)]);
    } finally {
      ending.abort();
      await running;
    }
  });
}

/** A file that names another server is one for `rstow agent`. */
function withEmbedded(file: string, config: AgentConfig): AgentConfig {
  const { address, ...temporal } = config.temporal;
  if (address !== undefined) {
    const sentence = `${file}: temporal.address names a Temporal server, but \`rstow up\` runs its own; remove the line, or start \`rstow agent\` instead`;
    throw new RstowError('invalid-config', sentence, { details: { file, field: 'temporal.address' } });
  }
  return { ...config, temporal: { embedded: DEFAULT_PORTS, ...temporal } };
}

const NOTIFY_MS = 10_000;

/** Tells the systemd that started us that the unit is ready. Twice: no-op. Fails: failed, if there is no systemd-notify. */
async function notifySystemd(): Promise<void> {
  await runCommand(['systemd-notify', '--ready'], { timeoutMs: NOTIFY_MS });
}

/** With a backup each `everyMs` of each database for which the config lists none; of one that this host stands by for, none is made. */
export function withBackups(config: AgentConfig, everyMs: number | undefined): AgentConfig {
  if (everyMs === undefined) return config;
  const hotBackup = { everyMs, timeZone: 'UTC', jitterMs: 0, paused: false, input: { reason: 'rstow up' } };
  const databases = Object.entries(config.databases).map(([name, database]): [string, DatabaseConfig] => {
    return [name, database.standby ? database : { ...database, schedules: { hotBackup, ...database.schedules } }];
  });
  return { ...config, databases: Object.fromEntries(databases) };
}

/** A host that stands by has nothing to back up before it takes the database over. */
export function keptSchedules({ databases }: AgentConfig): KeptSchedules[] {
  const own = Object.entries(databases).filter(([, { standby }]) => !standby);
  return own.map(([database, { schedules }]) => ({ database, wanted: wantedSchedules(schedules) }));
}
