import type { Command } from 'commander';
import { createOutput } from '../output.ts';
import { factLines } from '../table.ts';
import type { HostSettings } from './host-commands.ts';

type RenewFlags = { config?: string; force?: boolean; json?: boolean };

export function addRenewCommand(program: Command, settings: HostSettings): void {
  program
    .command('renew-installation')
    .description('make a cloned host, or a copied state directory, an installation of its own')
    .option('--config <file>', 'default: RSTOW_CONFIG, /etc/rstow/rstow.yaml, or that of `rstow up`')
    .option('--force', 'also if nothing shows that it is a copy')
    .option('--json', 'print lines of JSON')
    .action(async ({ config = settings.configFile, force, json }: RenewFlags) => {
      const { renewHost } = await import('../../local/renew-host.ts');
      const renewed = await renewHost(config, force);
      const lines = factLines([
        ['installation before', renewed.previous ?? 'none'],
        ['installation now', renewed.installationId],
        ['state directory', renewed.stateDir],
        ['next', 'start the agent; then `rstow adopt DATABASE` for each database that this host is to own'],
      ]);
      createOutput(json === true).result(lines, renewed);
    });
}
