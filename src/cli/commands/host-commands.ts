import type { Command } from 'commander';
import { configFileArgs, printUnit } from './print-unit.ts';
import type { OnExitCode } from './run-command.ts';

/** What the environment says, read by the main alone. */
export type HostSettings = {
  /** RSTOW_CONFIG, else the first that is there of /etc/rstow and the default state directory. */
  configFile: string | undefined;
  /** Where `rstow up` keeps its state if nothing else is said. */
  stateDir: string;
  workflowBundlePath: string | undefined;
  searchPath: string;
  /** Whether systemd waits to be told that the unit is ready. */
  isNotifying: boolean;
};

export function addAgentCommand(program: Command, settings: HostSettings, exit: OnExitCode): void {
  program
    .command('agent')
    .description('serve this host’s databases until it is stopped')
    .option('--config <file>', 'default: RSTOW_CONFIG, /etc/rstow/rstow.yaml, or that of `rstow up`')
    .option('--print-unit', 'only print a systemd unit for this command line')
    .action(async ({ config = settings.configFile, printUnit: isUnitWanted }: { config?: string; printUnit?: boolean }) => {
      if (isUnitWanted === true) {
        return printUnit(['agent', ...configFileArgs(config)], config === undefined ? undefined : { file: config }, settings.searchPath);
      }
      const { agentProgram } = await import('../../worker/agent-program.ts');
      exit(await agentProgram({ configFile: config, workflowBundlePath: settings.workflowBundlePath }));
    });
}
