import { type Command, InvalidArgumentError, Option } from 'commander';
import type { WorkflowType } from '../../contract/workflow-types.ts';
import type { RunOptions, RunRequest } from '../execute-run.ts';
import { requester } from '../requester.ts';

/** Takes the exit code of the one command that ran. */
export type OnExitCode = (exitCode: number) => void;

/** What a command that is about one run says of its argument. */
export const RUN_ARGUMENT = 'its id, or a beginning that only it has, as `rstow runs` shows it';

export type InputOptions = { repository?: string; reason?: string };

/** What every command that starts a run takes. */
export function runCommand(program: Command, name: string, description: string): Command {
  const command = program
    .command(name)
    .description(description)
    .argument('<database>', 'its name in the agents’ config files')
    .option('--repository <name>', 'a repository of the database (default: the primary)')
    .option('--reason <text>', 'why, for the record')
    .option('--wait', 'wait for the end and show progress (default)')
    .option('--no-wait', 'print the workflow id and return')
    .option('--json', 'print lines of JSON');
  return addTemporalOptions(command);
}

export function addTemporalOptions(command: Command): Command {
  return command
    .option('--address <host:port>', 'of Temporal (default: TEMPORAL_ADDRESS, then temporal.toml)')
    .option('--namespace <name>', 'of Temporal (default: TEMPORAL_NAMESPACE, then temporal.toml)')
    .addOption(new Option('--ui <url>', 'of Temporal’s web UI, for links').env('RSTOW_UI'));
}

/** Temporal's client loads only if a command needs it: help is told without. Returns the exit code. Fails: as the run does. */
export async function execute<T extends WorkflowType>(request: RunRequest<T>, options: RunOptions): Promise<number> {
  const { executeRun } = await import('../execute-run.ts');
  return executeRun(request, options);
}

export function recordOf({ repository, reason }: InputOptions): InputOptions & { requestedBy: string } {
  return { requestedBy: requester(), ...(repository === undefined ? {} : { repository }), ...(reason === undefined ? {} : { reason }) };
}

export function wholeNumber(text: string): number {
  if (!/^[0-9]{1,10}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}
