import type { Command } from 'commander';
import type { RunHandle } from '../../client/rstow-client.ts';
import { APPROVE_UPDATE, DENY_UPDATE, parseApproval, parseDenial } from '../../contract/messages.ts';
import { addKeyOption, type KeyOptions, operatorKey } from '../operator-key.ts';
import { createOutput } from '../output.ts';
import { requester } from '../requester.ts';
import type { TemporalOptions } from '../temporal-client.ts';
import type { HostSettings } from './host-commands.ts';
import { addTemporalOptions, type OnExitCode, RUN_ARGUMENT } from './run-command.ts';

type MessageOptions = TemporalOptions & { json?: boolean; by?: string };
type ApproveOptions = MessageOptions & KeyOptions & { plan: string };

export function addApproveCommand(program: Command, settings: HostSettings, exit: OnExitCode): void {
  const command = messageCommand(program, 'approve', 'approve the plan of a run that waits for it');
  addKeyOption(command.requiredOption('--plan <hash>', 'the plan’s hash, as the run shows it')).action(
    async (given: string, options: ApproveOptions) => {
      const approval = parseApproval({ planHash: options.plan, by: options.by ?? requester() });
      const signer = await operatorKey(options, settings);
      await send(given, { ...options, name: APPROVE_UPDATE }, (run) => run.approve({ ...approval, signer }));
      exit(0);
    },
  );
}

export function addDenyCommand(program: Command, exit: OnExitCode): void {
  messageCommand(program, 'deny', 'refuse the plan of a run that waits for approval')
    .requiredOption('--reason <text>', 'why, for the record')
    .action(async (given: string, options: MessageOptions & { reason: string }) => {
      const denial = parseDenial({ by: options.by ?? requester(), reason: options.reason });
      await send(given, { ...options, name: DENY_UPDATE }, (run) => run.deny(denial));
      exit(0);
    });
}

function messageCommand(program: Command, name: string, description: string): Command {
  const command = program.command(name).description(description).argument('<run>', RUN_ARGUMENT);
  return addTemporalOptions(command.option('--by <name>', 'who decides (default: you)').option('--json', 'print lines of JSON'));
}

async function send(
  given: string,
  { name, ...options }: MessageOptions & { name: string },
  message: (run: RunHandle) => Promise<void>,
): Promise<void> {
  const { connectClient } = await import('../temporal-client.ts');
  const { rstow } = await connectClient(options);
  try {
    const { workflowId } = await rstow.findRun(given);
    await message(rstow.run(workflowId));
    createOutput(options.json === true).result([`${name}: taken by ${workflowId}`], { workflowId, update: name });
  } finally {
    await rstow.close();
  }
}
