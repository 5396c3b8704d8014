import type { CliCommand } from '../command.ts';
import { addJsonOption, CONFIG_OPTION_HELP } from '../options.ts';
import { createOutput, factLines } from '../output.ts';

type RenewFlags = { config?: string; force?: boolean; json?: boolean };

export const renewInstallationCommand: CliCommand = {
  name: 'renew-installation',
  description: 'make a cloned host, or a copied state directory, an installation of its own',
  define: (command, { settings }) => {
    command.option('--config <file>', CONFIG_OPTION_HELP).option('--force', 'also if nothing shows that it is a copy');
    addJsonOption(command).action(async ({ config = settings.configFile, force, json }: RenewFlags) => {
      const { renewHost } = await import('../../local/adopt-database.ts');
      const renewed = await renewHost(config, force);
      const lines = factLines([
        ['installation before', renewed.previous ?? 'none'],
        ['installation now', renewed.installationId],
        ['state directory', renewed.stateDir],
        ['next', 'start the agent; then `rstow adopt DATABASE` for each database that this host is to own'],
      ]);
      createOutput(json === true).result(lines, renewed);
    });
  },
};
