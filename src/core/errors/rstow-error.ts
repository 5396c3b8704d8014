import { type ErrorCode, errorRow } from './error-table.ts';

/** JSON that may cross Temporal: facts for a person or a program, never a secret. */
export type ErrorDetails = Record<string, string | number | boolean | null | string[]>;

/**
 * The one error class. `message` is one sentence without the code; whoever prints it puts
 * `<code>: ` before it and the code's hint behind it. Sentence and details are cut where they are too long to travel.
 */
export class RstowError extends Error {
  override readonly name = 'RstowError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly #hint: string | undefined;

  /** `hint`: what a person does next, where the table's own would not help. */
  constructor(code: ErrorCode, sentence: string, options: { details?: ErrorDetails; hint?: string; cause?: unknown } = {}) {
    super(boundedText(sentence), options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.details = boundedDetails(options.details ?? {});
    this.#hint = options.hint;
  }

  /** What a person does next. */
  get hint(): string {
    return this.hintWith({});
  }

  /** `known` are details that the hint may name and the failure may lack, such as a command line's database. */
  hintWith(known: ErrorDetails): string {
    return this.#hint ?? hintOf(this.code, { ...known, ...this.details });
  }
}

/** As a person reads it: the sentence begins with the code. */
export function sentenceOf({ code, message }: RstowError): string {
  return `${code}: ${message}`;
}

/** The same failure, and what else is known of it. The clause is kept whole, however long the sentence is. */
export function withClause(error: RstowError, clause: string, details: ErrorDetails): RstowError {
  const sentence = boundedText(error.message, SENTENCE_LENGTH_MAX - clause.length - CUT_MARK_LENGTH_MAX);
  return new RstowError(error.code, `${sentence}; ${clause}`, { details: { ...error.details, ...details }, cause: error });
}

const CUT_MARK_LENGTH_MAX = 50;
const DETAIL_LENGTH_MAX = 1_000;
const ENTRIES_MAX = 100;
const ENTRY_LENGTH_MAX = 300;

function boundedDetails(details: ErrorDetails): ErrorDetails {
  return Object.fromEntries(Object.entries(details).map(([name, value]) => [name, boundedDetail(value)]));
}

function boundedDetail(value: ErrorDetails[string]): ErrorDetails[string] {
  if (typeof value === 'string') return boundedText(value, DETAIL_LENGTH_MAX);
  return Array.isArray(value) ? value.slice(0, ENTRIES_MAX).map((entry) => boundedText(entry, ENTRY_LENGTH_MAX)) : value;
}

/** What a hint calls a detail that the failure doesn't have. */
const PLACEHOLDERS: Record<string, string> = { holder: 'workflow-id', label: 'label' };

/**
 * What a person does about a failure. The table's `{database}` is the failure's own detail of that name, so that the
 * command can be typed as it stands; without one it is `<database>`.
 */
export function hintOf(code: ErrorCode, details: ErrorDetails = {}): string {
  return errorRow(code).hint.replaceAll(/\{([a-zA-Z]+)\}/g, (_match, name: string) => {
    const value = details[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : `<${PLACEHOLDERS[name] ?? name}>`;
  });
}

/** Of one sentence, so that a failure with its causes stays far below what Temporal takes. */
const SENTENCE_LENGTH_MAX = 4_000;

/** The beginning of a text that may be of any length, marked where it was cut. */
export function boundedText(text: string, lengthMax: number = SENTENCE_LENGTH_MAX): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax)}… (${text.length} characters)`;
}

/** A promise that our own code broke. Never retried: the same input would break it again. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Stops on a broken promise of our own; damage that comes from outside is a value, never an assertion. */
export function assert(holds: boolean, promise: string): asserts holds {
  if (!holds) throw new AssertionError(`broken promise: ${promise}`);
}

/** Closes a switch over a union: a new member is then a compile error. */
export function unreachable(value: never): never {
  throw new AssertionError(`broken promise: ${JSON.stringify(value)} is not a member of its union`);
}
