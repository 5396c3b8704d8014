import { arrayElements, topLevelMembers } from './canonical-json.ts';

const STEP = /(?:^|\.)([^.[\]]+)|\[([0-9]+)\]/gy;

/** The raw text of the value at a path such as `items[0].sku`; undefined where there is none. Throws a SyntaxError for no JSON, no path. */
export function valueAtPath(text: string, path: string): string | undefined {
  let value: string | undefined = text;
  for (const step of stepsOf(path)) {
    if (value === undefined) return undefined;
    value = typeof step === 'number' ? elementOf(value, step) : memberOf(value, step);
  }
  return value;
}

/** Whether it leads somewhere in some JSON value. */
export function isJsonPath(path: string): boolean {
  return stepsIn(path) !== undefined;
}

function stepsOf(path: string): (string | number)[] {
  const steps = stepsIn(path);
  if (steps === undefined) throw new SyntaxError(`"${path}" is not a path such as items[0].sku`);
  return steps;
}

/** Undefined where the text is no path. */
function stepsIn(path: string): (string | number)[] | undefined {
  const steps: (string | number)[] = [];
  let endAt = 0;
  for (const match of path.matchAll(STEP)) {
    steps.push(match[1] ?? Number(match[2]));
    endAt = match.index + match[0].length;
  }
  return endAt === path.length && steps.length > 0 ? steps : undefined;
}

function memberOf(value: string, name: string): string | undefined {
  return value.trimStart().startsWith('{') ? topLevelMembers(value).get(name) : undefined;
}

function elementOf(value: string, index: number): string | undefined {
  return value.trimStart().startsWith('[') ? arrayElements(value)[index] : undefined;
}

/** The largest whole number that the server keeps as one; what is larger it keeps as a float. */
const WHOLE_MAX = 2 ** 64;

/** Whether a number is a whole one that JSON parsers round, so that it doesn't say any more what was written. */
export function isRounded(value: unknown): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value as number) <= WHOLE_MAX;
}

/**
 * Whether JSON text has this value. Numbers are compared by value: `1.0` is 1. A whole number beyond 2^53, which a JSON
 * parser would round, is the same as its digits in a string. Throws a SyntaxError where the text is no JSON.
 */
export function sameValue(text: string, wanted: unknown): boolean {
  const value = text.trim();
  switch (value.charAt(0)) {
    case '{':
      return sameMembers(topLevelMembers(value), wanted);
    case '[':
      return sameElements(arrayElements(value), wanted);
    default:
      return samePlain(value, wanted);
  }
}

function sameMembers(members: ReadonlyMap<string, string>, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return false;
  const entries = Object.entries(wanted);
  const isSame = ([key, value]: [string, unknown]): boolean => {
    const text = members.get(key);
    return text !== undefined && sameValue(text, value);
  };
  return entries.length === members.size && entries.every(isSame);
}

function sameElements(elements: readonly string[], wanted: unknown): boolean {
  if (!Array.isArray(wanted) || wanted.length !== elements.length) return false;
  return elements.every((element, index) => sameValue(element, wanted[index]));
}

function samePlain(text: string, wanted: unknown): boolean {
  const value: unknown = JSON.parse(text);
  if (!isRounded(value)) return value === wanted;
  return typeof wanted === 'string' && /^-?[0-9]+$/.test(wanted) && BigInt(wanted) === wholeNumber(text);
}

/** A float beyond 2^53 is a whole number as well. */
function wholeNumber(text: string): bigint {
  return BigInt(/^-?[0-9]+$/.test(text) ? text : Number(text));
}
