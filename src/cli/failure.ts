import { rstowErrorOf } from '../client/rstow-client.ts';
import { errorRow } from '../core/errors/error-table.ts';
import type { ErrorDetails, RstowError } from '../core/errors/rstow-error.ts';
import type { CliFailure } from './failure-lines.ts';

/**
 * `known` are details that a hint may name and the failure may lack, such as the command line's database. Undefined for
 * what is none of the failures that rstow expects: that is a bug, and its stack should be seen.
 */
export function cliFailure(error: unknown, known: ErrorDetails = {}): CliFailure | undefined {
  const failure = rstowErrorOf(error);
  if (failure === undefined) return undefined;
  const { code } = failure;
  return { code, sentence: withOption(failure), hint: failure.hintWith(known), exitCode: errorRow(code).exitCode };
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
    ['repository', 'reason', 'backup', 'level', 'limit', 'seed', 'agent', 'target', 'by'].map((name) => [name, `--${name}`]),
  ),
  planHash: '--plan',
};
