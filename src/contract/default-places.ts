/** Where rstow keeps and looks for things if nothing else is said; what the mains know of the host decides. */
export type HostFacts = {
  isRoot: boolean;
  /** HOME and XDG_STATE_HOME. */
  home: string | undefined;
  stateHome: string | undefined;
};

const SYSTEM_STATE_DIR = '/var/lib/rstow';

/** Of a host's agent if nothing else is said. */
export const DEFAULT_CONFIG_FILE = '/etc/rstow/rstow.yaml';

/** The name of the config file that `rstow up` keeps in its state directory. */
export const KEPT_CONFIG_NAME = 'rstow.yaml';

/** Root's is the host's; any other user has one of its own, so that a server's own user can protect it. */
export function defaultStateDir({ isRoot, home, stateHome }: HostFacts): string {
  if (isRoot) return SYSTEM_STATE_DIR;
  if (stateHome?.startsWith('/') === true) return `${stateHome}/rstow`;
  return home?.startsWith('/') === true && home !== '/' ? `${home}/.local/state/rstow` : SYSTEM_STATE_DIR;
}

/** In the order in which they are looked for. */
export function configFileCandidates(host: HostFacts): string[] {
  return [DEFAULT_CONFIG_FILE, `${defaultStateDir(host)}/${KEPT_CONFIG_NAME}`];
}
