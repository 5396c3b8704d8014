/**
 * Which data a database's directory holds after a restore that failed: `replaced` were put back, `never-replaced` have
 * stayed where they were, `unknown` are neither the old nor the restored ones.
 */
export type DataInPlace = 'restored' | 'replaced' | 'never-replaced' | 'unknown';

/** What a failed roll-back is told by: the sentence begins with the code. */
type Failure = { code: string; sentence: string; dataInPlace: DataInPlace };

/** One wording for the workflow and for a restore without Temporal; it follows a failure's sentence and `; `. */
export function rolledBackClause(inPlace: DataInPlace): string {
  return inPlace === 'never-replaced'
    ? 'the old data were never moved, and the server runs on them'
    : 'the replaced data are back in place';
}

/** A server is started last: one that doesn't start may find the old data in place, and the watchdog goes on trying. */
export function notRolledBackClause({ code, sentence, dataInPlace }: Failure): string {
  if (dataInPlace === 'restored') return `and the replaced data could not be put back, so the restored data are in place (${sentence})`;
  if (dataInPlace !== 'replaced' && dataInPlace !== 'never-replaced') return `and the replaced data could not be put back (${sentence})`;
  const where = dataInPlace === 'replaced' ? 'the replaced data are back in place' : 'the old data were never moved';
  return `${where}, but ${code === 'service-start-failed' ? 'no server starts on them either' : 'the roll-back failed'}: ${sentence}`;
}

/** Of a failure after the swap that doesn't call the restored data bad. */
export function restoredInPlaceClause(replacedAt: string | undefined): string {
  return `the restored data are in place${replacedAt === undefined ? '' : `, the replaced ones in ${replacedAt}`}`;
}
