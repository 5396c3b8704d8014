import type { CliCommand } from '../command.ts';
import { addJsonOption } from '../options.ts';
import { createOutput } from '../output.ts';

export const keygenCommand: CliCommand = {
  name: 'keygen',
  description: 'make an operator’s key pair, and print its public half',
  define: (command) => {
    command.argument('<file>', 'for the private key; it must not exist');
    addJsonOption(command).action(async (file: string, { json }: { json?: boolean }) => {
      const { makeOperatorKey } = await import('../../worker/operator-key.ts');
      const { publicLine } = await makeOperatorKey(file);
      const output = createOutput(json === true);
      output.result([publicLine], { file, publicKey: publicLine });
      output.note(`the private key is in ${file}: keep it to yourself`);
      output.note('give each agent the line above, in its config: operators: { <your name>: <the line> }');
    });
  },
};
