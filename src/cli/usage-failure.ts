import type { Command, CommanderError } from 'commander';
import { errorRow } from '../core/errors/error-table.ts';
import type { CliFailure } from './failure-lines.ts';

/** A command line that can't be read. Commander's sentence has the nearest name on a line of its own. */
export function usageFailure(error: CommanderError, program: Command, args: readonly string[]): CliFailure {
  const [first = '', suggestion] = error.message.split('\n');
  const { exitCode } = errorRow('invalid-input');
  const command = program.commands.find((known) => known.name() === args[0]);
  const help = helpHint(command === undefined ? 'rstow' : `rstow ${command.name()}`);
  return {
    code: 'invalid-input',
    sentence: first.replace(/^error: /, ''),
    hint: suggestion === undefined ? help : `${suggestion.replace(/^\((.*)\)$/, '$1')} ${help}`,
    exitCode,
  };
}

function helpHint(command: string): string {
  return `\`${command} --help\` lists ${command === 'rstow' ? 'the commands' : 'its options'}.`;
}
