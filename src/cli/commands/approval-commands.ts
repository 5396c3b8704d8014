import type { WorkflowHandle } from '@temporalio/client';
import type { Command } from 'commander';
import { APPROVE_UPDATE, DENY_UPDATE, parseApproval, parseDenial } from '../../contract/messages.ts';
import { addKeyOption, type KeyOptions, operatorKey } from '../operator-key.ts';
import { createOutput } from '../output.ts';
import { requester } from '../requester.ts';
import type { TemporalOptions } from '../temporal-client.ts';
import type { HostSettings } from './host-commands.ts';
import { addTemporalOptions, type OnExitCode, RUN_ARGUMENT } from './run-command.ts';

type MessageOptions = TemporalOptions & { json?: boolean; by?: string };
type ApproveOptions = MessageOptions & KeyOptions & { plan: string };

/** An update of the run, by its name. */
type Message = { name: string; message: object };

export function addApproveCommand(program: Command, settings: HostSettings, exit: OnExitCode): void {
  const command = messageCommand(program, 'approve', 'approve the plan of a run that waits for it');
  addKeyOption(command.requiredOption('--plan <hash>', 'the plan’s hash, as the run shows it')).action(
    async (given: string, options: ApproveOptions) => {
      await send(given, options, async (run) => ({ name: APPROVE_UPDATE, message: await approvalOf(run, options, settings) }));
      exit(0);
    },
  );
}

export function addDenyCommand(program: Command, exit: OnExitCode): void {
  messageCommand(program, 'deny', 'refuse the plan of a run that waits for approval')
    .requiredOption('--reason <text>', 'why, for the record')
    .action(async (given: string, options: MessageOptions & { reason: string }) => {
      const message = parseDenial({ by: options.by ?? requester(), reason: options.reason });
      await send(given, options, async () => Promise.resolve({ name: DENY_UPDATE, message }));
      exit(0);
    });
}

function messageCommand(program: Command, name: string, description: string): Command {
  const command = program.command(name).description(description).argument('<run>', RUN_ARGUMENT);
  return addTemporalOptions(command.option('--by <name>', 'who decides (default: you)').option('--json', 'print lines of JSON'));
}

/** Signed if this user has a key: of this run, whatever continues it, and this hash. */
async function approvalOf(run: WorkflowHandle, options: ApproveOptions, settings: HostSettings): Promise<object> {
  const { plan: hash, by = requester() } = options;
  const approval = parseApproval({ planHash: hash, by });
  const key = await operatorKey(options, settings);
  if (key === undefined) return approval;
  const { runId, raw } = await run.describe();
  const firstRunId = raw.workflowExecutionInfo?.firstRunId ?? runId;
  return { ...approval, signature: key.sign({ purpose: 'approve', workflowId: run.workflowId, firstRunId, hash }, Date.now()) };
}

async function send(given: string, options: MessageOptions, messageOf: (run: WorkflowHandle) => Promise<Message>): Promise<void> {
  const { connectClient } = await import('../temporal-client.ts');
  const { findRun } = await import('../find-run.ts');
  const temporal = await connectClient(options);
  try {
    const { workflowId } = await findRun(temporal.client, given);
    // Without the run's own id: a run that was reset or begun again still waits for the message.
    const run = temporal.client.workflow.getHandle(workflowId);
    const { name, message } = await messageOf(run);
    await run.executeUpdate(name, { args: [message] });
    createOutput(options.json === true).result([`${name}: taken by ${workflowId}`], { workflowId, update: name });
  } finally {
    await temporal.close();
  }
}
