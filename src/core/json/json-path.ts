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
