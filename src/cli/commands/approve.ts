import type { Command } from 'commander';
import { APPROVE_UPDATE, DENY_UPDATE, parseApproval, parseDenial } from '../../contract/messages.ts';
import type { CliCommand } from '../command.ts';
import { addJsonOption, addKeyOption, addRunArgument, addTemporalOptions, type KeyOptions, operatorKey, requester } from '../options.ts';
import type { RunHandle } from '../../client/rstow-client.ts';
import { createOutput } from '../output.ts';
import type { TemporalOptions } from '../temporal-client.ts';

type ApproveOptions = MessageOptions & KeyOptions & { plan: string };

export const approveCommand: CliCommand = {
  name: 'approve',
  description: 'approve the plan of a run that waits for it',
  define: (command, { settings }) => {
    addKeyOption(addMessageOptions(command))
      .requiredOption('--plan <hash>', 'the plan’s hash, as the run shows it')
      .action(async (given: string, options: ApproveOptions) => {
        const approval = parseApproval({ planHash: options.plan, by: options.by ?? requester() });
        const signer = await operatorKey(options, settings);
        await sendMessage(given, options, { name: APPROVE_UPDATE, send: (run) => run.approve({ ...approval, signer }) });
      });
  },
};

export const denyCommand: CliCommand = {
  name: 'deny',
  description: 'refuse the plan of a run that waits for approval',
  define: (command) => {
    addMessageOptions(command)
      .requiredOption('--reason <text>', 'why, for the record')
      .action(async (given: string, options: MessageOptions & { reason: string }) => {
        const denial = parseDenial({ by: options.by ?? requester(), reason: options.reason });
        await sendMessage(given, options, { name: DENY_UPDATE, send: (run) => run.deny(denial) });
      });
  },
};

type MessageOptions = TemporalOptions & { json?: boolean; by?: string };

/** What a command takes that decides something for a run. */
function addMessageOptions(command: Command): Command {
  return addTemporalOptions(addJsonOption(addRunArgument(command).option('--by <name>', 'who decides (default: you)')));
}

type Message = {
  /** Of the update, as the contract calls it. */
  name: string;
  send: (run: RunHandle) => Promise<void>;
};

/** To the run with this id, or this beginning of one. Fails: invalid-input, or as the run refuses it. */
async function sendMessage(given: string, options: MessageOptions, { name, send }: Message): Promise<void> {
  const { withTemporal } = await import('../temporal-client.ts');
  await withTemporal(options, async ({ rstow }) => {
    const { workflowId } = await rstow.findRun(given);
    // Without the run's own id: a run that was reset or begun again still waits for the message.
    await send(rstow.run(workflowId));
    createOutput(options.json === true).result([`${name}: taken by ${workflowId}`], { workflowId, update: name });
  });
}
