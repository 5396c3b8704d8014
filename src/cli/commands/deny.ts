import { DENY_UPDATE, parseDenial } from '../../contract/messages.ts';
import type { CliCommand } from '../command.ts';
import { requester } from '../options.ts';
import { addMessageOptions, type MessageOptions, sendMessage } from '../send-message.ts';

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
