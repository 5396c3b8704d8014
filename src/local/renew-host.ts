import { RstowError } from '../core/errors/rstow-error.ts';
import { renewInstallation, whyCloned } from '../io/agent-state/installation.ts';
import { DEFAULT_CONFIG_FILE } from '../worker/agent-program.ts';
import { loadConfig } from '../worker/load-config.ts';

export type Renewal = { previous: string | null; installationId: string; stateDir: string };

/**
 * Makes this host's state directory one of a new installation: it owns no database until it adopts one. An agent that
 * runs on it ends. An original would lose its databases by it, so it takes `isForced` to renew what is no copy.
 * Fails: invalid-config, invalid-input, agent-state-unsupported. Twice: refused, or with `isForced` yet another installation.
 */
export async function renewHost(configFile: string = DEFAULT_CONFIG_FILE, isForced = false): Promise<Renewal> {
  const { stateDir } = (await loadConfig(configFile)).agent;
  if (!isForced && (await whyCloned(stateDir)) === undefined) {
    const lost = 'a new installation would own no database, and an agent that runs on it would end';
    throw new RstowError('invalid-input', `${stateDir} is where it was made, so nothing is to be renewed: ${lost} (--force renews it)`);
  }
  return { ...(await renewInstallation(stateDir)), stateDir };
}
