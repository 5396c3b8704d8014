import { createInterface } from 'node:readline/promises';
import { RstowError } from '../core/errors/rstow-error.ts';

export type Replacement = { database: string; isJson: boolean; /** Prints what will be replaced. */ showPlan: () => Promise<unknown> };

/**
 * Returns once a person at this terminal has seen the plan and typed the database's name.
 * Fails: invalid-input (there is no terminal to ask on), cancelled.
 */
export async function confirmReplacement({ database, isJson, showPlan }: Replacement): Promise<void> {
  if (isJson || !process.stdin.isTTY || !process.stderr.isTTY) {
    throw new RstowError(
      'invalid-input',
      'a restore in place replaces the data of the database, so without a terminal to ask on it needs --yes',
    );
  }
  await showPlan();
  const typed = await ask(`To replace its data, type the name of the database, ${database}: `);
  if (typed?.trim() === database) return;
  throw new RstowError('cancelled', 'the name of the database was not typed, so nothing was touched');
}

/** Undefined after Ctrl-C or Ctrl-D. */
async function ask(question: string): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new AbortController();
  lines.once('close', () => closed.abort());
  try {
    return await lines.question(question, { signal: closed.signal });
  } catch (error) {
    if (closed.signal.aborted) return undefined;
    throw error;
  } finally {
    lines.close();
  }
}
