import { hostname } from 'node:os';
import type { AgentIdentity } from '../activities/activity-deps.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { installationId } from '../io/agent-state/installation.ts';

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
