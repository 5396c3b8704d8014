import { type Command, Option } from 'commander';
import type { HostSettings } from './commands/host-commands.ts';
import type { OperatorKey } from '../worker/operator-key.ts';

export type KeyOptions = { keyFile?: string };

export function addKeyOption(command: Command): Command {
  return command.addOption(
    new Option('--key-file <file>', 'an operator’s private key to sign with; default: that of `rstow up`').env('RSTOW_KEY_FILE'),
  );
}

/** What a command signs with; undefined if nobody named a key and this user has none. Fails: invalid-config. */
export async function operatorKey({ keyFile }: KeyOptions, { configFile, stateDir }: HostSettings): Promise<OperatorKey | undefined> {
  const { findOperatorKey } = await import('../worker/operator-key.ts');
  return findOperatorKey({ keyFile, configFile, stateDir });
}
