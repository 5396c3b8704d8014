import { RstowError } from '../core/errors/rstow-error.ts';

/** What one of several sources has answered, or why it didn't: the others are shown all the same. */
export type Asked<Answer> = { answer: Answer } | { error: RstowError };

/** A wrong command line fails; a source that is away does not. */
export async function asked<Answer>(ask: () => Promise<Answer>): Promise<Asked<Answer>> {
  try {
    return { answer: await ask() };
  } catch (error) {
    if (error instanceof RstowError && error.code !== 'invalid-input') return { error };
    throw error;
  }
}

export function isAnswer<Answer>(asking: Asked<Answer>): asking is { answer: Answer } {
  return 'answer' in asking;
}

export function unaskedNote(what: string, { error: { code, message } }: { error: RstowError }): string {
  return `${what} could not be asked: ${code}: ${message}`;
}
