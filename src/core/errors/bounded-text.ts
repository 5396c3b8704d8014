/** Of one sentence, so that a failure with its causes stays far below what Temporal takes. */
export const SENTENCE_LENGTH_MAX = 4_000;

/** The beginning of a text that may be of any length, marked where it was cut. */
export function boundedText(text: string, lengthMax: number = SENTENCE_LENGTH_MAX): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax)}… (${text.length} characters)`;
}
