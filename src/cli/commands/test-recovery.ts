import { readFile } from 'node:fs/promises';
import { parseTestRecoveryInput, type TestRecoveryResult } from '../../contract/test-recovery.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countText, durationText, holdsText, logText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions, wholeNumber } from '../options.ts';
import { factLines } from '../output.ts';

const TEST_RECOVERY: RunKind<'testRecovery'> = { type: 'testRecovery', isQuery: false, resultLines: testLines };

type TestOptions = RunOptions & InputOptions & { backup: string; seed?: number; agent?: string; assertions?: string };

export const testRecoveryCommand: CliCommand = {
  name: 'test-recovery',
  description: 'prove a backup on a real server, in a scratch place',
  runs: [TEST_RECOVERY],
  define: (command, { exit }) => {
    addRunOptions(command)
      .option('--backup <label>', '"latest", "random", or a label or its first characters', 'latest')
      .option('--seed <number>', 'the seed of "random"', wholeNumber)
      .option('--agent <agent>', 'the agent to test on (default: any that reaches the repository)')
      .option('--assertions <file>', 'a JSON file that says what must be in the data')
      .action(async (database: string, options: TestOptions) => {
        const { backup, seed, agent } = options;
        const assertions = options.assertions === undefined ? undefined : await readAssertions(options.assertions);
        const input = parseTestRecoveryInput([{ ...commonInput(database, options), backup, seed, agent, assertions }]);
        exit(await execute({ ...TEST_RECOVERY, input }, options));
      });
  },
};

/** Fails: invalid-input. */
async function readAssertions(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const what = code === undefined ? `is not JSON: ${message}` : code === 'ENOENT' ? 'does not exist' : `can't be read: ${code}`;
    throw new RstowError('invalid-input', `the file of --assertions, ${file}, ${what}`, { details: { file }, cause });
  }
}

function testLines(result: TestRecoveryResult): string[] {
  const { label, repository, agent, seed, extents, phases } = result;
  return factLines([
    ['recovered', `${label} from ${repository}, on ${agent}`],
    ['random point', seed === undefined ? undefined : `offset ${extents.end}, by seed ${seed}`],
    ['log', logText(extents)],
    ['holds', holdsText({ machines: result.machines, instances: result.instances })],
    ['state digest', result.stateDigest],
    ['compared', 'the log and the server give the same state'],
    ['assertions', result.assertionsHeld === 0 ? 'none were given' : `${countText(result.assertionsHeld)} held`],
    ['write', 'taken, and still there after two restarts'],
    ['recovery time', `${durationText(result.rtoMs)}: ${phaseText(phases)}`],
  ]);
}

function phaseText({ fetchMs, replayMs, startMs }: TestRecoveryResult['phases']): string {
  return `fetch ${durationText(fetchMs)}, replay ${durationText(replayMs)}, start ${durationText(startMs)}`;
}
