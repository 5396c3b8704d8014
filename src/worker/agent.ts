import type { ActivityDeps, AgentIdentity, EventFact } from '../activities/activity-deps.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { bindingNow } from '../io/agent-state/installation.ts';
import { agentDeps, createEvents, type HostDeps, hostDeps } from './agent-deps.ts';
import { acquireAgentMutex, agentIdentity } from './agent-identity.ts';
import { installTemporalRuntime, type Logger } from './telemetry/agent-logger.ts';
import { startAgentWorkers } from './agent-workers.ts';
import { type StartedAlerts, startAlerts } from './watch/alerts.ts';
import { startArchiveWatch } from './watch/archives.ts';
import { startClusterWatch } from './watch/cluster.ts';
import { startContractWatch } from './watch/contract.ts';
import { watchCredentials } from './watch/credentials.ts';
import { startGuardWatch } from './watch/guard.ts';
import { offerContract, type Polling, untilRouted } from './current-contract.ts';
import { startHousekeeping, startStopNoteWatch } from './watch/housekeeping.ts';
import { type InstallationWatch, pollerIdentity, pollersOf, requireAlone, startInstallationWatch } from './watch/installation.ts';
import { startEndedBackupWatch } from './watch/ended-backups.ts';
import { startEndedRunWatch } from './watch/ended-runs.ts';
import { startOwnershipWatch } from './watch/ownership.ts';
import { startProtectionWatch } from './watch/protection.ts';
import type { RepeatingTask } from './watch/repeating-task.ts';
import { recoveryRequester } from './http/recovery-webhook.ts';
import { createMonitoring, type Monitoring } from './monitoring.ts';
import { type OperatorKey, readOperatorKey } from './operator-key.ts';
import { ownSigningKey } from './signing-key.ts';
import { type AgentRunRegistry, createRunRegistry } from './temporal/run-registry.ts';
import { connectTemporal, type TemporalConnection } from './temporal/connection.ts';
import { builtWorkflowBundle } from './workflow-bundle.ts';

export type AgentOptions = {
  config: AgentConfig;
  /** Absolute: processes that the agent starts read it again. */
  configFile: string;
  workflowBundlePath: string | undefined;
  logger: Logger;
  /** Aborted: the agent lets its work finish or hands it back, and returns. */
  signal: AbortSignal;
  /** Called once every queue is polled. */
  onReady: (agent: AgentIdentity) => void;
  /** Called when Temporal has been emptied or replaced while the agent works. */
  onNewCluster?: () => Promise<void>;
  /** Makes Temporal answer, where that is the agent's own business; until the agent has ended, nobody else does so. */
  openTemporal?: () => Promise<OpenTemporal>;
};

export type OpenTemporal = { close(): Promise<void> };

/**
 * The agent of one host, until the signal ends it. Logs are guarded, and stop notes of dead restores finished, before
 * and without Temporal. Fails: agent-already-running, agent-state-unsupported, installation-cloned, and with whatever ends a worker.
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { config, logger, signal } = options;
  const ending = new AbortController();
  const ended = AbortSignal.any([signal, ending.signal]);
  const identity = await agentIdentity(config);
  // Read at the start, so that a key that can't be used is said then.
  await ownSigningKey(config.agent.stateDir);
  const mutex = await acquireAgentMutex(identity.installationId, signal);
  const monitoring = createMonitoring(config, logger);
  const subscribers: ((fact: EventFact) => void)[] = [(fact) => monitoring.note(fact)];
  const events = createEvents(logger, subscribers);
  const connected: Connected = {};
  const host = hostDeps({ ...options, identity, events });
  const stopNotes = startStopNoteWatch(options, { logger, signal: ended });
  const guards = startGuardWatch(options, { events, logger, signal: ended });
  monitoring.health.set('guard', guards.fault);
  monitoring.health.set('stop notes', stopNotes.fault);
  sayDisconnected(monitoring);
  let alerts: StartedAlerts | undefined;
  try {
    await monitoring.open(ended);
    // Before anything else makes or drops a name of the log's files: when that happened last may be all there is to go by.
    await guards.firstPass;
    const { alerts: settings } = config;
    alerts = settings && startAlerts({ host, settings, runs: () => connected.deps?.backupWatch, logger, signal: ended });
    subscribers.push((fact) => alerts?.heard(fact));
    const opened = await options.openTemporal?.();
    try {
      await serveConnected(options, { host, connected, monitoring, ended });
    } finally {
      await opened?.close();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    ending.abort();
    await Promise.all([stopNotes.ended, guards.ended, alerts?.ended]);
    await mutex.release();
  }
}

/** What the agent works with while it is connected to Temporal. */
type Connected = { deps?: ActivityDeps };

type Identified = { host: HostDeps; connected: Connected; monitoring: Monitoring; ended: AbortSignal };

async function serveConnected(options: AgentOptions, identified: Identified): Promise<void> {
  const runtime = installTemporalRuntime(options.logger);
  try {
    while (!options.signal.aborted) await serveConnection(options, identified);
  } finally {
    await runtime.shutdown();
  }
}

/** On one connection, until the agent is asked to end or the connection's credentials have been replaced. */
async function serveConnection(options: AgentOptions, identified: Identified): Promise<void> {
  const { config, logger } = options;
  const watch = watchCredentials(config.temporal, logger);
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, watch.renewed]);
  try {
    const temporal = await connectTemporal(config.temporal, { logger, signal });
    try {
      await serve(
        { ...options, signal },
        { ...identified, temporal, ended: AbortSignal.any([identified.ended, watch.renewed, ending.signal]) },
      );
    } finally {
      delete identified.connected.deps;
      ending.abort();
      sayDisconnected(identified.monitoring);
      await temporal.connection.close();
    }
  } catch (error) {
    if (!watch.renewed.aborted) throw error;
  } finally {
    await watch.stop();
  }
}

type Served = Identified & { temporal: TemporalConnection };

async function serve(options: AgentOptions, { host, connected, monitoring, temporal, ended }: Served): Promise<void> {
  const { config, logger, signal } = options;
  const runs = createRunRegistry(temporal);
  const deps = await agentDeps({ host, temporal, runs, logger });
  connected.deps = deps;
  monitoring.requestRecovery = recoveryRequester(temporal, await ownKey(config));
  const watched = { deps, temporal, logger, signal: ended };
  const watch = await installationWatch(watched);
  await requireAlone(watch);
  const polling = await offerContract(temporal, { logger, signal });
  const workflowBundlePath = options.workflowBundlePath ?? builtWorkflowBundle();
  if (workflowBundlePath === undefined) {
    logger.info('the workflows have changed since the set-up: bundling them, for this agent only (`npm run bundle` does it for all)');
  }
  const workers = await startAgentWorkers({ identity: watch.identity, temporal, deps, workflowBundlePath, polling });
  const ownership = startOwnershipWatch({ ...watched, workers });
  const twins = startInstallationWatch(watch);
  const cluster = startClusterWatch({ ...watched, onNewCluster: () => renew(options, { temporal, polling }) });
  const others = [cluster, ...startWatches(watched, { runs, monitoring, polling })];
  try {
    if (polling === 'versioned') await Promise.race([untilRouted(temporal, watched), workers.failed]);
    await Promise.race([ownership.firstPass, workers.failed, twins.failed]);
    logger.info({ agent: host.agent.name, installationId: host.agent.installationId }, 'ready');
    monitoring.health.set('temporal', cluster.fault);
    monitoring.health.set('workers', () => undefined);
    monitoring.health.set('watches', () => [ownership, ...others].map(({ fault }) => fault()).find((fault) => fault !== undefined));
    if (!signal.aborted) options.onReady(host.agent);
    await Promise.race([aborted(signal), workers.failed, twins.failed]);
  } finally {
    logger.info('stopping');
    await workers.stop();
  }
  await Promise.all([ownership, twins, ...others].map(({ ended: over }) => over));
}

type Watching = { runs: AgentRunRegistry; monitoring: Monitoring; polling: Polling };

function startWatches(watched: Watched, { runs, monitoring: { changed }, polling }: Watching): RepeatingTask[] {
  const { config, configFile } = watched.deps;
  const { contractGoneMs } = config.timing;
  return [
    startArchiveWatch(watched),
    startHousekeeping({ ...watched, config, configFile, runs }),
    startEndedRunWatch(watched),
    ...(config.agent.http === undefined ? [] : [startProtectionWatch({ ...watched, changed }), startEndedBackupWatch(watched)]),
    ...(polling === 'versioned' ? [startContractWatch({ ...watched, contractGoneMs })] : []),
  ];
}

/** Nothing that needs Temporal works before it answers, and after it is gone. */
function sayDisconnected(monitoring: Monitoring): void {
  monitoring.requestRecovery = undefined;
  monitoring.health.set('temporal', () => 'the agent waits for it');
  monitoring.health.set('workers', () => 'they poll nothing');
  monitoring.health.set('watches', () => 'they have not begun');
}

/** What a Temporal that has lost everything must be given again. */
async function renew(
  { onNewCluster, logger, signal }: AgentOptions,
  { temporal, polling }: { temporal: TemporalConnection; polling: Polling },
): Promise<void> {
  if (polling === 'versioned') await offerContract(temporal, { logger, signal });
  await onNewCluster?.();
}

type Watched = { deps: ActivityDeps; temporal: TemporalConnection; logger: Logger; signal: AbortSignal };

async function installationWatch({ deps, temporal, logger, signal }: Watched): Promise<InstallationWatch> {
  const { installationId } = deps.agent;
  return {
    installationId,
    identity: pollerIdentity(deps.agent, await bindingNow(deps.config.agent.stateDir), Date.now()),
    pollers: () => pollersOf(temporal, installationId),
    requireInstallation: () => deps.requireInstallation(),
    logger,
    signal,
  };
}

/** Read at the start, so that a key that can't be used is said then. Fails: invalid-config. */
async function ownKey({ agent }: AgentConfig): Promise<OperatorKey | undefined> {
  return agent.operatorKeyFile === undefined ? undefined : readOperatorKey(agent.operatorKeyFile);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
