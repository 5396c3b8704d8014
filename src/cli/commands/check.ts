import { type CheckDatabaseResult, parseCheckDatabaseInput } from '../../contract/check-database.ts';
import type { Finding } from '../../core/protection/finding.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { cliFailure } from '../failure.ts';
import { NAGIOS_EXIT_CODES, nagiosFailure, nagiosLine } from '../nagios-text.ts';
import { addRunOptions, commonInput, execute, type InputOptions } from '../options.ts';
import { type Fact, factLines, printText } from '../output.ts';

/** It reads the whole log in place, as a restart would. */
const ANSWER_MS = 900_000;

const CHECK_DATABASE: RunKind<'checkDatabase'> = { type: 'checkDatabase', isQuery: true, answerMs: ANSWER_MS, resultLines: checkLines };

type CheckOptions = RunOptions & InputOptions & { nagios?: boolean };

export const checkCommand: CliCommand = {
  name: 'check',
  description: 'say what a restart would lose now, what is late, and what may go wrong',
  runs: [CHECK_DATABASE],
  define: (command, { exit }) => {
    addRunOptions(command)
      .option('--nagios', 'print one line with figures; exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN')
      .action(async (database: string, options: CheckOptions) => {
        exit(await (options.nagios === true ? checkForNagios(database, options) : check(database, options)));
      });
  },
};

function check(database: string, options: CheckOptions): Promise<number> {
  return execute({ ...CHECK_DATABASE, input: parseCheckDatabaseInput([commonInput(database, options)]) }, options);
}

/** A program reads it: whatever keeps the check from being made is UNKNOWN, and said in the same form. */
async function checkForNagios(database: string, options: CheckOptions): Promise<number> {
  const print = async (result: CheckDatabaseResult): Promise<number> => {
    await printText(`${nagiosLine(result)}\n`);
    return NAGIOS_EXIT_CODES[result.severity];
  };
  try {
    const input = parseCheckDatabaseInput([commonInput(database, options)]);
    return await execute({ ...CHECK_DATABASE, input, print }, options);
  } catch (error) {
    const failure = await cliFailure(error, { database });
    if (failure === undefined) throw error;
    await printText(`${nagiosFailure(database, failure)}\n`);
    return NAGIOS_EXIT_CODES.unknown;
  }
}

export function checkLines({ database, severity, findings }: CheckDatabaseResult): string[] {
  return factLines([[severity.toUpperCase(), database], ...findings.flatMap(findingFacts)]);
}

/** What is not well is named, and below it stands what to do. */
export function findingFacts({ code, severity, sentence, hint }: Finding): Fact[] {
  return [
    [severity, `${code}: ${sentence}`],
    ['what to do', hint],
  ];
}
