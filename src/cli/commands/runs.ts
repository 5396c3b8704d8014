import type { CliCommand } from '../command.ts';
import { ageText, durationText } from '../figures.ts';
import { addJsonOption, addTemporalOptions, wholeNumber } from '../options.ts';
import { createOutput, tableLines } from '../output.ts';
import { whatText } from '../run-records-text.ts';
import type { TemporalOptions } from '../temporal-client.ts';

type RunsOptions = TemporalOptions & { limit: number; json?: boolean };

const HEAD = ['RUN', 'WHAT', 'DATABASE', 'STATE', 'STARTED', 'TOOK'];

export const runsCommand: CliCommand = {
  name: 'runs',
  description: 'list the runs, newest first',
  define: (command) => {
    command.argument('[database]', 'only of this database').option('--limit <count>', 'show at most this many', wholeNumber, 20);
    addTemporalOptions(addJsonOption(command)).action(async (database: string | undefined, options: RunsOptions) => {
      const { withTemporal } = await import('../temporal-client.ts');
      const runs = await withTemporal(options, ({ rstow }) => rstow.runs({ database, limit: options.limit }));
      const cells = runs.map((run) => [
        run.name,
        whatText(run),
        run.database,
        run.state,
        ageText(run.startedAtMs),
        durationText(run.tookMs),
      ]);
      const lines = runs.length === 0 ? ['there are no runs'] : tableLines(HEAD, cells);
      createOutput(options.json === true).result(lines, { runs });
    });
  },
};
