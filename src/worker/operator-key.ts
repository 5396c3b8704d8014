import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentConfig } from '../config/agent-config.ts';
import { OWN_OPERATOR } from '../config/authority.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { createStateFile } from '../io/agent-state/state-file.ts';
import { readSecretFile } from '../io/files/secret-file.ts';
import { type OperatorKey, operatorKeyOf } from '../io/signing/operator-key.ts';
import { newPrivateKeyText } from '../io/signing/ssh-key.ts';
import { ownKeyText } from './signing-key.ts';
import { loadConfig } from './load-config.ts';

export type { OperatorKey };

/** In the state directory of an agent that `rstow up` runs. */
const ownKeyFile = (stateDir: string): string => join(stateDir, 'operator.key');

/** Fails: invalid-config, where the file can't be read, holds no key, or can be read by others than its owner. */
export async function readOperatorKey(path: string): Promise<OperatorKey> {
  return operatorKeyOf(await readSecretFile(path, { isOwnersAlone: true }), path);
}

/** Where a command may look for a key: the file that was named, and what it knows of this host's agent. */
export type KeyPlaces = { keyFile: string | undefined; configFile: string | undefined; stateDir: string };

/**
 * The key that a command signs with: the named one, else that of this host's agent; undefined where the user may not read
 * that, or there is none. Fails: invalid-config.
 */
export async function findOperatorKey({ keyFile, configFile, stateDir }: KeyPlaces): Promise<OperatorKey | undefined> {
  if (keyFile !== undefined) return readOperatorKey(keyFile);
  for (const path of [await configuredKeyFile(configFile), ownKeyFile(stateDir)]) {
    if (path !== undefined && (await canRead(path))) return readOperatorKey(path);
  }
  return undefined;
}

/** A config that this user can't read, or that is wrong, names no key: the command itself doesn't need it. */
async function configuredKeyFile(configFile: string | undefined): Promise<string | undefined> {
  if (configFile === undefined || !(await canRead(configFile))) return undefined;
  try {
    const { agent } = await loadConfig(configFile);
    return agent.operatorKeyFile ?? ownKeyFile(agent.stateDir);
  } catch (error) {
    if (error instanceof RstowError) return undefined;
    throw error;
  }
}

/** Makes a key in a new file that only its owner reads. Fails: invalid-input, where the file is there; agent-state-unsupported. */
export async function makeOperatorKey(path: string): Promise<OperatorKey> {
  const text = newPrivateKeyText();
  if (await createStateFile(path, text)) return operatorKeyOf(text, path);
  throw new RstowError('invalid-input', `${path} is there already, and a key is never overwritten`, { details: { path } });
}

/**
 * The config of an agent whose Temporal has no access control of its own: whoever can read the key in its state
 * directory is an operator, and nobody else but those whom the file names. Fails: agent-state-unsupported, invalid-config.
 */
export async function withOwnOperator(config: AgentConfig): Promise<AgentConfig> {
  const path = ownKeyFile(config.agent.stateDir);
  const { publicLine } = operatorKeyOf(await ownKeyText(path), path);
  const { operatorKeyFile = path } = config.agent;
  return { ...config, agent: { ...config.agent, operatorKeyFile }, operators: { ...config.operators, [OWN_OPERATOR]: publicLine } };
}

async function canRead(path: string): Promise<boolean> {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}
