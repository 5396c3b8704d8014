import type { ErrorCode } from '../core/errors/error-table.ts';

/** What a person and a script need of a failure. */
export type CliFailure = { code: ErrorCode; sentence: string; hint: string; exitCode: number };

/** `error:` and `hint:` lines for stderr. */
export function failureLines({ code, sentence, hint }: CliFailure): string[] {
  return [`error: ${code}: ${sentence}`, `hint: ${hint}`];
}
