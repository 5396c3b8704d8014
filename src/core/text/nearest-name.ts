/** Nobody misspells a name so long, and measuring its distance takes long as well. */
const LENGTH_MAX = 100;

/** The known name that a misspelt one most likely meant, or undefined where none is near. */
export function nearestName(misspelt: string, known: readonly string[]): string | undefined {
  if (misspelt.length > LENGTH_MAX) return undefined;
  const editsMax = Math.max(2, Math.floor(misspelt.length / 3));
  const ranked = known
    .map((name) => ({ name, edits: editDistance(misspelt.toLowerCase(), name.toLowerCase()) }))
    .sort((left, right) => left.edits - right.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= editsMax ? best.name : undefined;
}

/** What follows a sentence that calls a name unknown: `; did you mean "orders"?`, or nothing where none is near. */
export function meantText(misspelt: string, known: readonly string[]): string {
  const nearest = nearestName(misspelt, known);
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [fromIndex, fromChar] of Array.from(from).entries()) {
    const next = [fromIndex + 1];
    for (let index = 0; index < to.length; index += 1) {
      const replaced = (row[index] ?? 0) + (fromChar === to[index] ? 0 : 1);
      next.push(Math.min(replaced, (row[index + 1] ?? 0) + 1, (next[index] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
