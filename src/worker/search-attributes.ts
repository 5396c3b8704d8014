import { SEARCH_ATTRIBUTES } from '../contract/names.ts';
import type { Logger } from './agent-logger.ts';
import type { TemporalConnection } from './temporal-connection.ts';

/** temporal.api.enums.v1.IndexedValueType */
const KEYWORD = 2;

/**
 * Adds rstow's search attributes where the namespace lacks them. False where it refuses, or has one of another type:
 * workflows then upsert none, for an upsert of an unknown attribute would hang them. Twice: no-op.
 */
export async function ensureSearchAttributes({ connection, namespace }: TemporalConnection, logger: Logger): Promise<boolean> {
  const names = Object.values(SEARCH_ATTRIBUTES);
  try {
    const searchAttributes = Object.fromEntries(names.map((name) => [name, KEYWORD]));
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const foreign = names.filter((name) => Number(customAttributes[name]) !== KEYWORD);
    if (foreign.length === 0) return true;
    logger.warn({ namespace, attributes: foreign }, 'the namespace has these search attributes with another type: none are set');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    logger.warn({ namespace, why }, 'the namespace refused the search attributes: none are set');
  }
  return false;
}
