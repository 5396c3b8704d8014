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
  /** Undefined if the config file names none, or if it is not what has named the server: a namespace is one of its own server. */
  namespace: string | undefined;
  /** Who has named the address, for a person who has to correct it. */
  namedBy: string;
};

/** Where Temporal is: by the option, else by the environment, else by the config of this host's agent, else its own `rstow up`. Fails: invalid-config. */
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

const NOT_FOR_THIS_USER = ['ENOENT', 'EACCES'];

/** The command itself doesn't need the file. But one that is wrong may mean another Temporal than is asked without it. Fails: invalid-config. */
async function configuredTemporal(file: string | undefined): Promise<OfConfig> {
  if (file === undefined) return { lack: 'this host has no config file' };
  const { loadConfig } = await import('../worker/load-config.ts');
  try {
    return { ...(await loadConfig(file)).temporal, lack: `${file} has no temporal.address` };
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    const { code, message, details } = error;
    if (NOT_FOR_THIS_USER.includes(String(details['errno']))) return { lack: message };
    const hint = 'Correct the file, or name Temporal by --address. docs/configuration.md describes every key.';
    throw new RstowError(code, message, { details, hint, cause: error });
  }
}
