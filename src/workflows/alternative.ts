import type { FindAlternativeInput } from '../activities/restore/find-alternative.ts';
import type { Place } from '../activities/catalogue/locate.ts';
import { alternativeSentence } from '../core/backup/selection.ts';
import { isObjectDamage } from '../core/errors/error-table.ts';
import { RstowError, sentenceOf, withClause } from '../core/errors/rstow-error.ts';
import type { Engine } from './engine.ts';

type Wanted = Omit<FindAlternativeInput, 'damagedKey'>;

/**
 * The work, whose failure, if it met a damaged or missing object of the wanted backup, also says what can be restored
 * instead: in its sentence, and as `alternative` in its details.
 */
export async function namingAlternative<T>(engine: Engine, of: { place: Place; wanted: Wanted }, work: () => Promise<T>): Promise<T> {
  const { place, wanted } = of;
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    const damagedKey = damagedKeyOf(error);
    if (damagedKey === undefined) throw error;
    const found = await engine
      .steps(place)
      .findAlternative({ ...wanted, damagedKey })
      .catch(() => null);
    if (found === null) throw error;
    throw withClause(error, alternativeSentence(found), { alternative: found.kind === 'none' ? null : found.label });
  }
}

/** A failure as a fact of the repository remembers it. */
export type Failed = { code: string; sentence: string; key?: string | undefined };

export function failedOf(error: RstowError): Failed {
  return { code: error.code, sentence: sentenceOf(error), key: damagedKeyOf(error) };
}

/** The object that a failure names as damaged or missing. */
function damagedKeyOf({ code, details }: RstowError): string | undefined {
  const key = details['key'];
  return isObjectDamage(code) && typeof key === 'string' ? key : undefined;
}
