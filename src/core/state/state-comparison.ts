import type { CanonicalJson } from '../json/canonical-json.ts';

/** rstmdb's JSON parser isn't exact: each restart may move a double by a few units of its last place. */
const DRIFT_RELATIVE_MAX = 1e-14;

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*|[^"0-9-]+/g;
const FLOAT = /^-?[0-9]+(?=[.eE])[0-9.eE+-]*$/;

/** Whether two states are the same but for the drift of their floats. Whole numbers, however big, must be equal. */
export function sameState(a: CanonicalJson, b: CanonicalJson): boolean {
  if (a === b) return true;
  const tokensA = a.match(TOKEN) ?? [];
  const tokensB = b.match(TOKEN) ?? [];
  return tokensA.length === tokensB.length && tokensA.every((token, index) => sameToken(token, tokensB[index] ?? ''));
}

function sameToken(a: string, b: string): boolean {
  if (a === b) return true;
  if (!FLOAT.test(a) || !FLOAT.test(b)) return false;
  const valueA = Number(a);
  const valueB = Number(b);
  return Math.abs(valueA - valueB) <= DRIFT_RELATIVE_MAX * Math.max(Math.abs(valueA), Math.abs(valueB));
}
