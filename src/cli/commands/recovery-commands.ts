import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { parseDisasterRecoveryInput } from '../../contract/disaster-recovery.ts';
import { parseTestRecoveryInput } from '../../contract/test-recovery.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { RunOptions } from '../execute-run.ts';
import { addKeyOption, type KeyOptions, operatorKey } from '../operator-key.ts';
import { disasterLines } from '../results/disaster-result.ts';
import { testLines } from '../results/test-result.ts';
import type { HostSettings } from './host-commands.ts';
import { execute, type InputOptions, type OnExitCode, recordOf, runCommand, wholeNumber } from './run-command.ts';

type TestOptions = { backup: string; seed?: number; agent?: string; assertions?: string };

export function addTestRecoveryCommand(program: Command, exit: OnExitCode): void {
  runCommand(program, 'test-recovery', 'prove a backup on a real server, in a scratch place')
    .option('--backup <label>', '"latest", "random", or a label or its first characters', 'latest')
    .option('--seed <number>', 'the seed of "random"', wholeNumber)
    .option('--agent <agent>', 'the agent to test on (default: any that reaches the repository)')
    .option('--assertions <file>', 'a JSON file that says what must be in the data')
    .action(async (database: string, options: RunOptions & InputOptions & TestOptions) => {
      const { backup, seed, agent } = options;
      const assertions = options.assertions === undefined ? undefined : await readAssertions(options.assertions);
      const input = parseTestRecoveryInput([{ database, backup, seed, agent, assertions, ...recordOf(options) }]);
      exit(await execute({ type: 'testRecovery', input, isQuery: false, resultLines: testLines }, options));
    });
}

type RecoverOptions = { agent?: string; target?: string; force?: boolean; discardNewer?: boolean };

export function addRecoverCommand(program: Command, settings: HostSettings, exit: OnExitCode): void {
  addKeyOption(runCommand(program, 'recover', 'bring a lost database back on a host that can run it'))
    .option('--agent <agent>', 'that host’s agent (default: one that stands by, else the owner)')
    .option('--target <label>', 'recover no state newer than this backup: a label or its first characters')
    .option('--force', 'even if the database is up and as new as its backups')
    .option('--discard-newer', 'even if that discards data that no backup holds')
    .action(async (database: string, options: RunOptions & InputOptions & KeyOptions & RecoverOptions) => {
      const { agent, target, force, discardNewer } = options;
      const input = parseDisasterRecoveryInput([{ database, agent, target, force, discardNewer, ...recordOf(options) }]);
      const key = await operatorKey(options, settings);
      exit(await execute({ type: 'disasterRecovery', input, isQuery: false, isShared: true, key, resultLines: disasterLines }, options));
    });
}

/** Fails: invalid-input. */
async function readAssertions(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (cause) {
    throw new RstowError('invalid-input', `${file} can't be read as JSON`, { details: { file }, cause });
  }
}
