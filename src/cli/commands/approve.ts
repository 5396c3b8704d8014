import { APPROVE_UPDATE, parseApproval } from '../../contract/messages.ts';
import type { CliCommand } from '../command.ts';
import { addKeyOption, type KeyOptions, operatorKey, requester } from '../options.ts';
import { addMessageOptions, type MessageOptions, sendMessage } from '../send-message.ts';

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
