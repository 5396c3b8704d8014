import type { Command } from 'commander';
import { createOutput } from '../output.ts';

export function addKeygenCommand(program: Command): void {
  program
    .command('keygen')
    .description('make an operator’s key pair, and print its public half')
    .argument('<file>', 'for the private key; it must not exist')
    .option('--json', 'print lines of JSON')
    .action(async (file: string, { json }: { json?: boolean }) => {
      const { makeOperatorKey } = await import('../../worker/operator-key.ts');
      const { publicLine } = await makeOperatorKey(file);
      const output = createOutput(json === true);
      output.result([publicLine], { file, publicKey: publicLine });
      output.note(`the private key is in ${file}: keep it to yourself`);
      output.note('give each agent the line above, in its config: operators: { <your name>: <the line> }');
    });
}
