import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';

/**
 * Compares what a server shows with a backup. One that stops answering on the way has shown nothing wrong: the state was
 * compared when the log was replayed, so it is a warning. Fails: as the comparison, but for comparison-unfinished.
 */
export async function unfinishedComparison(compare: () => Promise<Warning | undefined>): Promise<Warning | undefined> {
  try {
    return await compare();
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'comparison-unfinished') throw error;
    const message = `the state could not be compared to its end over the wire: ${error.message}. The replay of the log had compared it.`;
    return { code: error.code, message };
  }
}
