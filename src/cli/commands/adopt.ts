import { RstowError } from '../../core/errors/rstow-error.ts';
import { NAME_PATTERN } from '../../contract/input-field.ts';
import type { Adoption } from '../../local/adopt-database.ts';
import { createOutput, factLines } from '../output.ts';
import type { CliCommand } from '../command.ts';
import { addJsonOption, CONFIG_OPTION_HELP } from '../options.ts';

type AdoptFlags = { config?: string; force?: boolean; json?: boolean };

export const adoptCommand: CliCommand = {
  name: 'adopt',
  description: 'make this host the owner of a database again, after Temporal or the agent’s state was lost',
  define: (command, { settings }) => {
    command
      .argument('<database>', 'as the agent’s config file names it')
      .option('--config <file>', CONFIG_OPTION_HELP)
      .option('--force', 'even if the owner’s agent is at work, or the newest backup has another timeline');
    addJsonOption(command).action(async (database: string, { config = settings.configFile, force, json }: AdoptFlags) => {
      if (!NAME_PATTERN.test(database)) throw new RstowError('invalid-input', 'the database’s name must be 1 to 63 of a-z, 0-9 and -');
      const { adoptDatabase } = await import('../../local/adopt-database.ts');
      const adoption: Adoption = await adoptDatabase({ configFile: config, database, force: force === true });
      createOutput(json === true).result(adoptionLines(adoption), adoption);
    });
  },
};

function adoptionLines({ outcome, database, previous, owner }: Adoption): string[] {
  if (outcome === 'not-needed') return [`not needed: ${ownerText(owner)} owns ${database} already`];
  return factLines([
    ['adopted', database],
    ['owner before', ownerText(previous)],
    ['owner now', ownerText(owner)],
    ['timeline', owner.timeline],
  ]);
}

function ownerText({ agent, installationId, generation, temporal }: Adoption['owner']): string {
  return `${agent} (generation ${generation}, installation ${installationId}, Temporal ${temporal.clusterId}/${temporal.namespace})`;
}
