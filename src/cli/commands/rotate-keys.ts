import { parseRotateKeysInput, type RotateKeysResult } from '../../contract/rotate-keys.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, countText, durationText, sizeText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions } from '../options.ts';
import { factLines } from '../output.ts';

const ROTATE_KEYS: RunKind<'rotateKeys'> = { type: 'rotateKeys', isQuery: false, resultLines: rotateLines };

type RotateOptions = RunOptions & InputOptions & { agent?: string };

export const rotateKeysCommand: CliCommand = {
  name: 'rotate-keys',
  description: 'store all objects anew under the keys that the config names now, and delete the old ones',
  runs: [ROTATE_KEYS],
  define: (command, { exit }) => {
    addRunOptions(command)
      .option('--agent <agent>', 'the agent that has the old keys and the new ones (default: the database’s owner)')
      .action(async (database: string, options: RotateOptions) => {
        const input = parseRotateKeysInput([{ ...commonInput(database, options), agent: options.agent }]);
        exit(await execute({ ...ROTATE_KEYS, input }, options));
      });
  },
};

export function rotateLines(result: RotateKeysResult): string[] {
  const { rotated, bytesStored, failed, left, keySetsRemoved } = result;
  if (result.outcome === 'not-needed') return [`not needed: nothing of ${result.database} in ${result.repository} lies under other keys`];
  return factLines([
    ['objects end in', `${result.suffix}, in ${result.repository}`],
    ['rotated', `${countedText(rotated, 'object')}, ${sizeText(bytesStored)}, each read back`],
    ['failed', failed === 0 ? undefined : countText(failed)],
    ['left', left.length === 0 ? undefined : left.map(({ suffix, objects }) => `${countText(objects)} ${suffix}`).join(', ')],
    ['keys removed', keySetsRemoved.length === 0 ? undefined : keySetsRemoved.join(', ')],
    ['by', result.agent],
    ['took', durationText(result.durationMs)],
  ]);
}
