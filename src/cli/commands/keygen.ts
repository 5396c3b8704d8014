import { RstowError } from '../../core/errors/rstow-error.ts';
import type { CliCommand, HostSettings } from '../command.ts';
import { addJsonOption, CONFIG_OPTION_HELP } from '../options.ts';
import { createOutput } from '../output.ts';

type KeygenFlags = { agent?: boolean; config?: string; json?: boolean };

export const keygenCommand: CliCommand = {
  name: 'keygen',
  description: 'make an operator’s key pair, or print the agent’s public key',
  define: (command, { settings }) => {
    command
      .argument('[file]', 'for an operator’s private key; it must not exist')
      .option('--agent', 'print the public half of the key that this host’s agent signs its backups with')
      .option('--config <file>', `with --agent: the agent’s; ${CONFIG_OPTION_HELP}`);
    addJsonOption(command).action(async (file: string | undefined, { agent, config, json }: KeygenFlags) => {
      if ((file === undefined) !== (agent === true)) {
        throw new RstowError('invalid-input', 'name either a file for an operator’s key, or --agent');
      }
      if (file === undefined) await printAgentKey(config, settings, json);
      else await makeOperatorKey(file, json);
    });
  },
};

async function makeOperatorKey(file: string, json: boolean | undefined): Promise<void> {
  const keys = await import('../../worker/operator-key.ts');
  const { publicLine } = await keys.makeOperatorKey(file);
  const output = createOutput(json === true);
  output.result([publicLine], { file, publicKey: publicLine });
  output.note(`the private key is in ${file}: keep it to yourself`);
  output.note('give each agent the line above, in its config: operators: { <your name>: <the line> }');
}

async function printAgentKey(config: string | undefined, settings: HostSettings, json: boolean | undefined): Promise<void> {
  const { agentKey } = await import('../../worker/signing-key.ts');
  const { file, publicLine } = await agentKey(config ?? settings.configFile, settings.stateDir);
  const output = createOutput(json === true);
  output.result([publicLine], { file, publicKey: publicLine });
  output.note(`the private key is in ${file}: it stays on this host`);
  output.note(
    'give the line above to each agent that is to trust what this one stores: repositories: { <repository>: { signers: { <name>: <the line> } } }',
  );
}
