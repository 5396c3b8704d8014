import type { Command } from 'commander';
import { configFileArgs, printUnit } from './print-unit.ts';
import type { OnExitCode } from './run-command.ts';

/** What the environment says, read by the main alone. */
export type HostSettings = { configFile: string | undefined; workflowBundlePath: string | undefined; searchPath: string };

export function addAgentCommand(program: Command, settings: HostSettings, exit: OnExitCode): void {
  program
    .command('agent')
    .description('serve this host’s databases until it is stopped')
    .option('--config <file>', 'default: RSTOW_CONFIG, then /etc/rstow/rstow.yaml')
    .option('--print-unit', 'print a systemd unit for this command line and do nothing else')
    .action(async ({ config = settings.configFile, printUnit: isUnitWanted }: { config?: string; printUnit?: boolean }) => {
      if (isUnitWanted === true) return printUnit(['agent', ...configFileArgs(config)], settings.searchPath);
      const { agentProgram } = await import('../../worker/agent-program.ts');
      exit(await agentProgram({ configFile: config, workflowBundlePath: settings.workflowBundlePath }));
    });
}

export function addDemoCommand(program: Command, exit: OnExitCode): void {
  program
    .command('demo')
    .description('lose a database and bring it back, on servers of its own')
    .option('--keep', 'keep everything running until Ctrl-C, to look around')
    .action(async ({ keep }: { keep?: boolean }) => {
      const { runDemo } = await import('../../worker/demo/demo.ts');
      exit(await runDemo({ keepsRunning: keep === true }));
    });
}
