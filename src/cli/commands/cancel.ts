import type { CliCommand } from '../command.ts';
import { addJsonOption, addRunArgument, addTemporalOptions } from '../options.ts';
import { createOutput } from '../output.ts';
import type { TemporalOptions } from '../temporal-client.ts';

export const cancelCommand: CliCommand = {
  name: 'cancel',
  description: 'end a run cleanly',
  define: (command) => {
    addTemporalOptions(addJsonOption(addRunArgument(command))).action(cancel);
  },
};

/** Fails: invalid-input. */
async function cancel(given: string, options: TemporalOptions & { json?: boolean }): Promise<void> {
  const { withTemporal } = await import('../temporal-client.ts');
  const { shortName } = await import('../../client/rstow-client.ts');
  await withTemporal(options, async ({ rstow }) => {
    const { workflowId, runId } = await rstow.findRun(given);
    await rstow.run(workflowId, runId).cancel();
    const lines = [
      `asked ${workflowId} to end; it cleans up first`,
      `\`rstow watch ${shortName({ workflowId, runId })}\` shows when it has ended`,
    ];
    createOutput(options.json === true).result(lines, { workflowId, runId });
  });
}
