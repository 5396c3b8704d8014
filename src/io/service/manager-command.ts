import type { ErrorCode } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type CommandResult, runCommand } from '../process/run-command.ts';
import { outputTail } from './process-files.ts';

type ManagerCall = {
  /** As an error names the command. */
  readonly what: string;
  readonly code: ErrorCode;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
};

/** Runs a command of whoever manages a server. Fails: the given code if it ends with anything but 0, with what it said last. */
export async function runManagerCommand(argv: readonly string[], call: ManagerCall): Promise<CommandResult> {
  const { what, code, env = {}, timeoutMs } = call;
  const result = await runCommand(argv, { env, timeoutMs }).catch((cause: unknown) => {
    throw new RstowError(code, cause instanceof Error ? cause.message : String(cause), { cause });
  });
  const { exitCode, stdout, stderr } = result;
  if (exitCode === 0) return result;
  const output = outputTail(stderr.trim() === '' ? stdout : stderr);
  throw new RstowError(code, `${what} ended with ${exitCode}: ${output.split('\n').at(-1) || 'it said nothing'}`, {
    details: { exitCode, output },
  });
}
