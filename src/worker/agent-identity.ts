import { hostname } from 'node:os';
import type { AgentIdentity } from '../activities/activity-deps.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { installationId } from '../io/agent-state/installation.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { acquireHostMutex, type HostMutex } from '../io/mutex/host-mutex.ts';

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
    return await acquireHostMutex(`agent/${installationId}`, { what: 'rstow agent', waitTimeoutMs: 0, signal });
  } catch (error) {
    throw error instanceof RstowError && error.code === 'busy' ? alreadyRunning(error) : error;
  }
}

function alreadyRunning(busy: RstowError): RstowError {
  const { pid = null, since = null } = busy.details;
  const who = pid === null ? 'another process' : `process ${String(pid)} (since ${String(since)})`;
  return new RstowError('agent-already-running', `${who} is the agent of this state directory already`, {
    details: { pid, since },
    cause: busy,
  });
}
