import { renewInstallation } from '../../io/agent-state/installation.ts';
import { DEFAULT_CONFIG_FILE } from '../agent-program.ts';
import { loadConfig } from '../load-config.ts';

export type Renewal = { previous: string | null; installationId: string; stateDir: string };

/**
 * Makes this host's state directory one of a new installation: it owns no database until it adopts one. An agent that
 * runs on it ends. Fails: invalid-config, agent-state-unsupported. Twice: yet another installation.
 */
export async function renewHost(configFile: string = DEFAULT_CONFIG_FILE): Promise<Renewal> {
  const { stateDir } = (await loadConfig(configFile)).agent;
  return { ...(await renewInstallation(stateDir)), stateDir };
}
