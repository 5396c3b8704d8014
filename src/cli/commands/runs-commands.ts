import type { Command } from 'commander';
import type { RunsOptions } from '../runs.ts';
import { addTemporalOptions, type OnExitCode, RUN_ARGUMENT, wholeNumber } from './run-command.ts';

export function addRunsCommand(program: Command, exit: OnExitCode): void {
  const command = program
    .command('runs')
    .description('list the runs, newest first')
    .argument('[database]', 'only of this database')
    .option('--limit <count>', 'show at most this many', wholeNumber, 20)
    .option('--json', 'print lines of JSON');
  addTemporalOptions(command).action(async (database: string | undefined, options: RunsOptions & { limit: number }) => {
    const { listRuns } = await import('../runs.ts');
    exit(await listRuns(database, options));
  });
}

export function addWatchCommand(program: Command, exit: OnExitCode): void {
  namedRun(program, 'watch', 'show where a run is until it ends, then its result').action(async (run: string, options: RunsOptions) => {
    const { watchNamedRun } = await import('../runs.ts');
    exit(await watchNamedRun(run, options));
  });
}

export function addCancelCommand(program: Command, exit: OnExitCode): void {
  namedRun(program, 'cancel', 'end a run cleanly').action(async (run: string, options: RunsOptions) => {
    const { cancelRun } = await import('../runs.ts');
    exit(await cancelRun(run, options));
  });
}

function namedRun(program: Command, name: string, description: string): Command {
  const command = program.command(name).description(description).argument('<run>', RUN_ARGUMENT).option('--json', 'print lines of JSON');
  return addTemporalOptions(command);
}
