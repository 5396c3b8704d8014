import { unreachable } from '../../core/errors/rstow-error.ts';
import { deletedAtEndSentence, type GuardState } from '../../core/guard/guard-state.ts';
import { segmentsText } from '../../core/wal/continuity.ts';
import type { PreparedStart } from '../../local/guard-databases.ts';
import type { CliCommand } from '../command.ts';
import { countedText, sizeText, timeText } from '../figures.ts';
import { addJsonOption, CONFIG_OPTION_HELP } from '../options.ts';
import { createOutput, factLines, type Output } from '../output.ts';

type GuardFlags = { config?: string; beforeStart?: boolean; json?: boolean };

export const guardCommand: CliCommand = {
  name: 'guard',
  description: 'show what keeps the log of this host’s servers in place, or make it ready for a start',
  define: (command, { settings }) => {
    command
      .argument('[databases...]', 'as the agent’s config file names them; all of them if none is named')
      .option(
        '--before-start',
        'make the data directory ready, right before its server starts: systemd’s ExecStartPre, a container’s entrypoint',
      )
      .option('--config <file>', CONFIG_OPTION_HELP);
    addJsonOption(command).action(async (databases: string[], { config = settings.configFile, beforeStart, json }: GuardFlags) => {
      const output = createOutput(json === true);
      const host = { configFile: config, databases };
      const local = await import('../../local/guard-databases.ts');
      if (beforeStart === true) return local.prepareStarts(host, (start) => printStart(output, start));
      const guards = await local.guardStates(host);
      output.result(
        guards.flatMap(({ database, guard }) => factLines(stateFacts(database, guard))),
        { guards },
      );
    });
  },
};

/** What a start's log should have, and nothing if nothing was to be done. */
function printStart(output: Output, { database, notes }: PreparedStart): void {
  const lines = notes.map(({ what, sentence, isWarning }) => `${database}: ${isWarning ? 'warning: ' : ''}${what}: ${sentence}`);
  if (lines.length > 0 || output.isJson) output.result(lines, { database, notes });
}

function stateFacts(database: string, guard: GuardState): [string, string | undefined][] {
  switch (guard.kind) {
    case 'off':
      return [[database, `off: databases.${database}.guard.enabled is false`]];
    case 'unsupported':
      return [[database, `can’t work: ${guard.why}`]];
    case 'waiting':
      return [[database, 'nothing is pinned yet: an agent does it']];
    case 'replaced':
      return [[database, `hands off: ${guard.why}`]];
    case 'on':
      return [
        [database, `on: timeline ${guard.timeline}, ${countedText(guard.pinned, 'segment')} pinned`],
        [
          'missing',
          guard.missing.length === 0
            ? undefined
            : `${segmentsText(guard.missing)}: the next start needs them, and an agent links them back`,
        ],
        ['DELETED', deletedText(guard)],
        ['kept', guard.keptBytes === 0 ? undefined : `${sizeText(guard.keptBytes)} of log that compaction has deleted`],
        ['LOST', lostText(guard)],
      ];
    default:
      return unreachable(guard);
  }
}

function deletedText({ deletedAtEnd = [] }: Extract<GuardState, { kind: 'on' }>): string | undefined {
  return deletedAtEnd.length === 0 ? undefined : deletedAtEndSentence(segmentsText(deletedAtEnd));
}

function lostText({ lost, lostSinceMs }: Extract<GuardState, { kind: 'on' }>): string | undefined {
  if (lost.length === 0) return undefined;
  const since = lostSinceMs === null ? '' : `, found ${timeText(lostSinceMs)}`;
  return `${segmentsText(lost)}: a server was started without them${since}. \`rstow check\` says what to do`;
}
