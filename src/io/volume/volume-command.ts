import { setTimeout as delay } from 'node:timers/promises';
import { boundedText, RstowError } from '../../core/errors/rstow-error.ts';
import { runCommand } from '../process/run-command.ts';

/** A tool that writes to a busy disk may take long. One that hangs must not take a slot of the agent for ever. */
const TIMEOUT_MS = 120_000;

/** Sentences in English, and none about the descriptors that the agent has open. */
const ENVIRONMENT = { LC_ALL: 'C', LVM_SUPPRESS_FD_WARNINGS: '1' };

/**
 * What a volume manager's tool prints. A cancelled run doesn't end it: LVM suspends the server's own volume for a moment, and must
 * resume it. Fails: failed, with what the tool said; snapshot-unsupported, if it is not installed.
 */
export async function volumeCommand(command: readonly [string, ...string[]], timeoutMs = TIMEOUT_MS): Promise<string> {
  const [tool] = command;
  const { exitCode, stdout, stderr } = await runCommand(command, { env: ENVIRONMENT, timeoutMs }).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
    throw new RstowError('snapshot-unsupported', `the program ${tool}, which snapshots need, is not installed on this host`, {
      cause: error,
    });
  });
  if (exitCode === 0) return stdout;
  const said = boundedText(stderr.trim().split('\n').slice(-LINES_MAX).join(' '));
  throw new RstowError('failed', `${tool} failed (exit code ${exitCode}): ${said}`, { details: { tool, exitCode } });
}

const LINES_MAX = 3;

function isMissing(error: unknown): boolean {
  const { cause } = error instanceof RstowError ? error : { cause: undefined };
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

const ATTEMPTS_MAX = 10;
const WAIT_MS = 500;

/** The same, again while others may still be looking at a device, as udev does when one appears. */
export async function patientCommand(command: readonly [string, ...string[]], attemptsMax = ATTEMPTS_MAX): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await volumeCommand(command);
    } catch (error) {
      if (attempt === attemptsMax) throw error;
      await delay(WAIT_MS);
    }
  }
}
