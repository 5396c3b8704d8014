import { hostname } from 'node:os';
import type { AgentIdentity } from '../activities/activity-deps.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { installationId } from '../io/agent-state/installation.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { acquireHostMutex, type HostMutex, isHostMutexHeld } from '../io/mutex/host-mutex.ts';

/** Who this host's agent is; its id is made where the state directory has none. Fails: agent-state-unsupported, installation-cloned. */
export async function agentIdentity({ agent }: AgentConfig): Promise<AgentIdentity> {
  return { name: agent.name ?? nameOfHost(), installationId: await installationId(agent.stateDir) };
}

/** As the contract takes names. */
function nameOfHost(): string {
  return hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .slice(0, 63);
}

/**
 * Lets one agent run per installation; a frozen one is ended and replaced.
 * Fails: agent-already-running, naming the process.
 */
export async function acquireAgentMutex(installationId: string, signal: AbortSignal): Promise<HostMutex> {
  try {
    return await acquireHostMutex(mutexName(installationId), { what: 'rstow agent', waitTimeoutMs: 0, signal });
  } catch (error) {
    throw error instanceof RstowError && error.code === 'busy' ? alreadyRunning(error) : error;
  }
}

/** Whether the installation's agent is a living process of this host. */
export async function isAgentRunning(installationId: string): Promise<boolean> {
  return isHostMutexHeld(mutexName(installationId));
}

function mutexName(installationId: string): string {
  return `agent/${installationId}`;
}

function alreadyRunning(busy: RstowError): RstowError {
  const { pid = null, since = null } = busy.details;
  const who = pid === null ? 'another process' : `process ${String(pid)} (since ${String(since)})`;
  return new RstowError('agent-already-running', `${who} is the agent of this state directory already`, {
    details: { pid, since },
    cause: busy,
  });
}
