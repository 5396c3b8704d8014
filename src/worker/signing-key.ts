import { join } from 'node:path';
import { RstowError } from '../core/errors/rstow-error.ts';
import { createStateFile, readStateFile } from '../io/agent-state/state-file.ts';
import { readSecretFile } from '../io/files/secret-file.ts';
import { newPrivateKeyText, type SigningKey, signingKeyOf } from '../io/signing/ssh-key.ts';
import { loadConfig } from './load-config.ts';

/** Where the key lies that an agent signs with what it stores. */
const signingKeyFile = (stateDir: string): string => join(stateDir, 'signing.key');

/** This host's agent's; made if there is none yet. Fails: agent-state-unsupported, invalid-config. Twice: the same key. */
export async function ownSigningKey(stateDir: string): Promise<SigningKey> {
  const path = signingKeyFile(stateDir);
  return signingKeyOf(await ownKeyText(path), path);
}

/**
 * That of the agent which the config file is for, or of the one with that state directory if there is no config. It is made by the
 * agent alone, which may be another user. Fails: invalid-input, if it is not there yet; as `ownSigningKey`.
 */
export async function agentKey(configFile: string | undefined, stateDir: string): Promise<{ file: string; publicLine: string }> {
  const file = signingKeyFile(configFile === undefined ? stateDir : (await loadConfig(configFile)).agent.stateDir);
  if ((await readStateFile(file)) === undefined) {
    throw new RstowError('invalid-input', `${file} is not there yet: the agent makes it at its first start`, { details: { file } });
  }
  const { publicLine } = signingKeyOf(await readSecretFile(file, { isOwnersAlone: true }), file);
  return { file, publicLine };
}

/**
 * The text of a key in the state directory, which is made at the first time and never overwritten. Fails: agent-state-unsupported;
 * invalid-config, if others than its owner may read it.
 */
export async function ownKeyText(path: string): Promise<string> {
  if ((await readStateFile(path)) === undefined) await createStateFile(path, newPrivateKeyText());
  return readSecretFile(path, { isOwnersAlone: true });
}
