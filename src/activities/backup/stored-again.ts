import type { Warning } from '../../contract/result.ts';

const NAMED_MAX = 3;

/** The objects are sound again, but a disk that damages one may damage others. */
export function storedAgain(keys: readonly string[]): Warning {
  const objects = keys.length === 1 ? 'damaged or missing object was' : 'damaged or missing objects were';
  const message = `${keys.length} ${objects} stored again from the server’s log (${namedKeys(keys)}): see whether the repository’s disk is failing`;
  return { code: 'stored-again', message };
}

export function namedKeys(keys: readonly string[]): string {
  return `${keys.slice(0, NAMED_MAX).join(', ')}${keys.length > NAMED_MAX ? ', …' : ''}`;
}
