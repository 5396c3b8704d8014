import { Argument } from 'commander';
import { errorRow } from '../../core/errors/error-table.ts';
import type { OpenAlerts, TestedTarget } from '../../local/alerts.ts';
import type { CliCommand } from '../command.ts';
import { countedText, timeText } from '../figures.ts';
import { addJsonOption, CONFIG_OPTION_HELP } from '../options.ts';
import { createOutput, type Fact, factLines } from '../output.ts';

type Flags = { config?: string; target?: string; json?: boolean };

export const alertsCommand: CliCommand = {
  name: 'alerts',
  description: 'list what this host’s agent has alerted of, or test whether alerts arrive',
  define: (command, { settings, exit }) => {
    command
      .addArgument(
        new Argument('<action>', 'what is wrong now, or a test of each target of the agent’s config file').choices(['list', 'test']),
      )
      .option('--target <name>', 'of a test: this target alone')
      .option('--config <file>', CONFIG_OPTION_HELP);
    addJsonOption(command).action(async (action: string, { config = settings.configFile, target, json }: Flags) => {
      const output = createOutput(json === true);
      const local = await import('../../local/alerts.ts');
      if (action === 'list') {
        const databases = await local.openAlerts(config);
        return output.result(
          databases.flatMap((open) => factLines(openFacts(open))),
          { databases },
        );
      }
      const tested = await local.testAlerts(config, target);
      output.result(testLines(tested), { tested });
      if (tested.some(({ failure }) => failure !== undefined)) exit(errorRow('alert-not-delivered').exitCode);
    });
  },
};

/** Below what was not delivered stands what to do. */
export function testLines(tested: readonly TestedTarget[]): string[] {
  return factLines(
    tested.flatMap(({ target, failure }): Fact[] => [
      [target, failure === undefined ? 'delivered' : `NOT delivered: ${failure.code}: ${failure.sentence}`],
      ['what to do', failure?.hint],
    ]),
  );
}

function openFacts({ database, incidents, waiting, isWatched }: OpenAlerts): Fact[] {
  const count = incidents.length === 0 ? 'nothing is wrong that the agent has seen' : countedText(incidents.length, 'open alert');
  return [
    [database, count],
    ...incidents.flatMap(({ severity, code, sentence, hint, sinceMs }): Fact[] => [
      [severity, `${code}: ${sentence} (since ${timeText(sinceMs)})`],
      ['what to do', hint],
    ]),
    ['not watched', isWatched ? undefined : 'no agent runs on this host: what has gone wrong since it ended is not here'],
    ['waiting', waiting === 0 ? undefined : `${countedText(waiting, 'notice')} that some target has not taken yet`],
  ];
}
