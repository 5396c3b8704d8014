import { DEFAULT_ADDRESS } from '../client/temporal.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

export type PlaceOptions = {
  address?: string;
  /** Of this host's agent. */
  hostConfigFile?: string;
  /** Of the server that `rstow up` runs here, if nothing else names one. */
  embeddedAddress?: string;
};

type TemporalPlace = {
  address: string;
  /** Undefined if the config file isn't asked, or names none. */
  namespace: string | undefined;
  /** Who has named the address, for a person who has to correct it. */
  namedBy: string;
};

/** Where Temporal is: by the option, else by the environment, else by the config of this host's agent, else its own `rstow up`. */
export async function temporalPlace(
  { address, hostConfigFile: file, embeddedAddress }: PlaceOptions,
  ofEnvironment: string | undefined,
): Promise<TemporalPlace> {
  if (address !== undefined) return { address, namespace: undefined, namedBy: 'named by --address' };
  if (ofEnvironment !== undefined)
    return { address: ofEnvironment, namespace: undefined, namedBy: 'named by TEMPORAL_ADDRESS or temporal.toml' };
  const { address: configured, namespace, lack } = await configuredTemporal(file);
  if (configured !== undefined) return { address: configured, namespace, namedBy: `named by temporal.address in ${file ?? ''}` };
  if (embeddedAddress !== undefined) return { address: embeddedAddress, namespace, namedBy: 'where this host’s `rstow up` runs it' };
  return { address: DEFAULT_ADDRESS, namespace, namedBy: `the default, for ${lack}` };
}

type OfConfig = { address?: string | undefined; namespace?: string | undefined; lack: string };

/** A file that this user can't read, or that is wrong, names nothing: the command itself doesn't need it. */
async function configuredTemporal(file: string | undefined): Promise<OfConfig> {
  if (file === undefined) return { lack: 'this host has no config file' };
  const { loadConfig } = await import('../worker/load-config.ts');
  try {
    return { ...(await loadConfig(file)).temporal, lack: `${file} has no temporal.address` };
  } catch (error) {
    if (error instanceof RstowError) return { lack: error.message };
    throw error;
  }
}
