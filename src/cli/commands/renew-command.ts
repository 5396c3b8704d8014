import type { Command } from 'commander';
import { createOutput } from '../output.ts';
import { factLines } from '../table.ts';
import type { HostSettings } from './host-commands.ts';

type RenewFlags = { config?: string; json?: boolean };

export function addRenewCommand(program: Command, settings: HostSettings): void {
  program
    .command('renew-installation')
    .description('make a cloned host, or a copied state directory, an installation of its own')
    .option('--config <file>', 'default: RSTOW_CONFIG, /etc/rstow/rstow.yaml, or that of `rstow up`')
    .option('--json', 'print lines of JSON')
    .action(async ({ config = settings.configFile, json }: RenewFlags) => {
      const { renewHost } = await import('../../worker/local/renew-host.ts');
      const renewed = await renewHost(config);
      const lines = factLines([
        ['installation before', renewed.previous ?? 'none'],
        ['installation now', renewed.installationId],
        ['state directory', renewed.stateDir],
      ]);
      createOutput(json === true).result(lines, renewed);
    });
}
