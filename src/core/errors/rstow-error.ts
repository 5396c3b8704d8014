import type { ErrorCode } from './error-table.ts';

/** JSON that may cross Temporal: facts for a person or a program, never a secret. */
export type ErrorDetails = Record<string, string | number | boolean | null | string[]>;

/**
 * The one error class. `message` is one sentence without the code; whoever prints it puts
 * `<code>: ` before it and the code's hint behind it.
 */
export class RstowError extends Error {
  override readonly name = 'RstowError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, sentence: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(sentence, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}
