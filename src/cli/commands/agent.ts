import type { CliCommand } from '../command.ts';
import { CONFIG_OPTION_HELP } from '../options.ts';
import { configFileArgs, printUnit } from '../systemd-unit.ts';

type AgentFlags = { config?: string; printUnit?: boolean };

export const agentCommand: CliCommand = {
  name: 'agent',
  description: 'serve this host’s databases until it is stopped',
  define: (command, { settings }) => {
    command
      .option('--config <file>', CONFIG_OPTION_HELP)
      .option('--print-unit', 'only print a systemd unit for this command line')
      .action(async ({ config = settings.configFile, printUnit: isUnitWanted }: AgentFlags) => {
        if (isUnitWanted === true) {
          return printUnit(['agent', ...configFileArgs(config)], config === undefined ? undefined : { file: config }, settings.searchPath);
        }
        const { agentProgram } = await import('../../worker/agent-program.ts');
        await agentProgram({ configFile: config, workflowBundlePath: settings.workflowBundlePath });
      });
  },
};
