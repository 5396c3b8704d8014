import type { Cli, CliCommand } from '../command.ts';
import { addJsonOption, addRunArgument, addTemporalOptions } from '../options.ts';
import { createOutput, printResult, type ResultLines } from '../output.ts';
import type { TemporalOptions } from '../temporal-client.ts';

type WatchOptions = TemporalOptions & { json?: boolean };

export const watchCommand: CliCommand = {
  name: 'watch',
  description: 'show where a run is until it ends, then its result',
  define: (command, cli) => {
    addTemporalOptions(addJsonOption(addRunArgument(command))).action(async (given: string, options: WatchOptions) => {
      cli.exit(await watch(given, options, cli));
    });
  },
};

/** Returns the exit code. Fails: as the run does; invalid-input. */
async function watch(given: string, options: WatchOptions, { resultLines }: Cli): Promise<number> {
  const { withTemporal } = await import('../temporal-client.ts');
  const { noteDetached, noteHistory, watchRun } = await import('../execute-run.ts');
  return withTemporal(options, async (temporal) => {
    const output = createOutput(options.json === true);
    const run = await temporal.rstow.findRun(given);
    output.note(`watching ${run.workflowId}`);
    noteHistory(output, temporal, run);
    const end = await watchRun(temporal.rstow.run(run.workflowId, run.runId), { output, isOwn: false });
    if (end.kind === 'detached') return noteDetached(output, run.workflowId);
    const lines = resultLines(run.type) as ResultLines<typeof end.result> | undefined;
    return printResult(output, lines ?? ((result) => [JSON.stringify(result)]), end.result);
  });
}
