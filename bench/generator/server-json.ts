/** JSON as rstmdb writes it: keys sorted, no white space. For values of strings, booleans, and numbers that JavaScript prints alike. */
export function serverJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(serverJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return objectText(memberTexts(value));
}

/** Each member's value by its key, so that what doesn't change is printed once. */
export function memberTexts(object: object): Map<string, string> {
  return new Map(Object.entries(object).map(([key, value]) => [key, serverJson(value)]));
}

export function objectText(members: ReadonlyMap<string, string>): string {
  const keys = [...members.keys()].sort();
  return `{${keys.map((key) => `"${key}":${members.get(key)}`).join(',')}}`;
}
