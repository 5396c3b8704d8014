import type { Command } from 'commander';
import type { RunHandle } from '../client/rstow-client.ts';
import { addJsonOption, addRunArgument, addTemporalOptions } from './options.ts';
import { createOutput } from './output.ts';
import type { TemporalOptions } from './temporal-client.ts';

export type MessageOptions = TemporalOptions & { json?: boolean; by?: string };

/** What a command takes that decides something for a run. */
export function addMessageOptions(command: Command): Command {
  return addTemporalOptions(addJsonOption(addRunArgument(command).option('--by <name>', 'who decides (default: you)')));
}

export type Message = {
  /** Of the update, as the contract calls it. */
  name: string;
  send: (run: RunHandle) => Promise<void>;
};

/** To the run with this id, or this beginning of one. Fails: invalid-input, or as the run refuses it. */
export async function sendMessage(given: string, options: MessageOptions, { name, send }: Message): Promise<void> {
  const { withTemporal } = await import('./temporal-client.ts');
  await withTemporal(options, async ({ rstow }) => {
    const { workflowId } = await rstow.findRun(given);
    // Without the run's own id: a run that was reset or begun again still waits for the message.
    await send(rstow.run(workflowId));
    createOutput(options.json === true).result([`${name}: taken by ${workflowId}`], { workflowId, update: name });
  });
}
