import type { Command } from 'commander';
import { APPROVE_UPDATE, DENY_UPDATE, parseApproval, parseDenial } from '../../contract/messages.ts';
import { createOutput } from '../output.ts';
import { requester } from '../requester.ts';
import type { TemporalOptions } from '../temporal-client.ts';
import { addTemporalOptions, type OnExitCode } from './run-command.ts';

type MessageOptions = TemporalOptions & { json?: boolean; by?: string };

export function addApproveCommand(program: Command, exit: OnExitCode): void {
  messageCommand(program, 'approve', 'approve the plan of a run that waits for it')
    .requiredOption('--plan <hash>', 'the plan’s hash, as the run shows it')
    .action(async (workflowId: string, options: MessageOptions & { plan: string }) => {
      await send(
        workflowId,
        { name: APPROVE_UPDATE, message: parseApproval({ planHash: options.plan, by: options.by ?? requester() }) },
        options,
      );
      exit(0);
    });
}

export function addDenyCommand(program: Command, exit: OnExitCode): void {
  messageCommand(program, 'deny', 'refuse the plan of a run that waits for approval')
    .requiredOption('--reason <text>', 'why, for the record')
    .action(async (workflowId: string, options: MessageOptions & { reason: string }) => {
      await send(
        workflowId,
        { name: DENY_UPDATE, message: parseDenial({ by: options.by ?? requester(), reason: options.reason }) },
        options,
      );
      exit(0);
    });
}

function messageCommand(program: Command, name: string, description: string): Command {
  const command = program.command(name).description(description).argument('<workflow-id>', 'the run that waits');
  return addTemporalOptions(command.option('--by <name>', 'who decides (default: you)').option('--json', 'print lines of JSON'));
}

async function send(workflowId: string, { name, message }: { name: string; message: object }, options: MessageOptions): Promise<void> {
  const { connectClient } = await import('../temporal-client.ts');
  const temporal = await connectClient(options);
  try {
    await temporal.client.workflow.getHandle(workflowId).executeUpdate(name, { args: [message] });
    createOutput(options.json === true).result([`${name}: taken by ${workflowId}`], { workflowId, update: name });
  } finally {
    await temporal.close();
  }
}
