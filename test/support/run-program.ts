/** Runs a program as a shell would, and tells all that a shell sees. */
import { execFile } from 'node:child_process';

export type ProgramEnd = { exitCode: number; stdout: string; stderr: string; durationMs: number };

const OUTPUT_SIZE_BYTES_MAX = 64 * 1024 * 1024;

/** A program that is still running after `timeoutMs` is killed, and its exit code is then 137. */
export function runProgram(
  file: string,
  args: readonly string[],
  { env = {}, timeoutMs = 150_000 }: { env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<ProgramEnd> {
  const startedAtMs = performance.now();
  const options = {
    env: { ...process.env, ...env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL' as const,
    maxBuffer: OUTPUT_SIZE_BYTES_MAX,
  };
  return new Promise((resolve) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === 'number' ? error.code : 137;
      resolve({ exitCode, stdout, stderr, durationMs: performance.now() - startedAtMs });
    });
  });
}
