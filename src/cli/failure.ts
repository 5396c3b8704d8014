import type { Command, CommanderError } from 'commander';
import { type ErrorCode, errorRow } from '../core/errors/error-table.ts';
import { type ErrorDetails, hintOf, RstowError } from '../core/errors/rstow-error.ts';

/** What a person and a script need of a failure. */
export type CliFailure = { code: ErrorCode; sentence: string; hint: string; exitCode: number };

/** `error:` and `hint:` lines for stderr. */
export function failureLines({ code, sentence, hint }: CliFailure): string[] {
  return [`error: ${code}: ${sentence}`, `hint: ${hint}`];
}

/**
 * `known` are details that a hint may name and the failure may lack, such as the command line's database. Undefined for
 * what is none of the failures that rstow expects: that is a bug, and its stack should be seen.
 */
export async function cliFailure(error: unknown, known: ErrorDetails = {}): Promise<CliFailure | undefined> {
  const failure = error instanceof RstowError ? error : await failureOfClient(error);
  if (failure === undefined) return undefined;
  const { code } = failure;
  return { code, sentence: withOption(failure), hint: failure.hintWith(known), exitCode: errorRow(code).exitCode };
}

/** Temporal's client loads here only: what is wrong with a command line is known without it. */
async function failureOfClient(error: unknown): Promise<RstowError | undefined> {
  const { rstowErrorOf } = await import('../client/rstow-client.ts');
  return rstowErrorOf(error);
}

/** A field of an input is an option of the command line. */
function withOption({ message, details }: RstowError): string {
  const { field } = details;
  const option = typeof field === 'string' ? OPTIONS[field] : undefined;
  return option === undefined ? message : message.replace(`field "${String(field)}"`, option);
}

const OPTIONS: Record<string, string> = {
  database: 'the database’s name',
  'to.dataDir': '--to-dir',
  'to.agent': '--to-agent',
  ...Object.fromEntries(
    ['repository', 'reason', 'backup', 'level', 'limit', 'seed', 'agent', 'target', 'timeline', 'by'].map((name) => [name, `--${name}`]),
  ),
  planHash: '--plan',
};

/** For an input that this command line gave: a hint that says more is kept. */
export function withUsage(failure: CliFailure, command: Command | undefined): CliFailure {
  return failure.hint === hintOf('invalid-input') ? { ...failure, hint: usageHint(command) } : failure;
}

/** A command line that can't be read. Commander's sentence has the nearest name on a line of its own. */
export function usageFailure(error: CommanderError, command: Command | undefined): CliFailure {
  const [first = '', suggestion] = error.message.split('\n');
  const help = usageHint(command);
  return {
    code: 'invalid-input',
    sentence: first.replace(/^error: /, ''),
    hint: suggestion === undefined ? help : `${suggestion.replace(/^\((.*)\)$/, '$1')} ${help}`,
    exitCode: errorRow('invalid-input').exitCode,
  };
}

function usageHint(command: Command | undefined): string {
  return command === undefined ? '`rstow --help` lists the commands.' : `\`rstow ${command.name()} --help\` lists its options.`;
}
