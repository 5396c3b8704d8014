import { charCodes, type JsonWalk, unexpected, walkColon, walkComma, walkSpace, walkString, walkValue } from './json-walk.ts';

declare const brand: unique symbol;

/**
 * JSON text in the one form that equal values share: no white space, keys in code point order, strings escaped as
 * serde_json does, numbers as they were written. The server's own texts have it already.
 */
export type CanonicalJson = string & { readonly [brand]: 'CanonicalJson' };

/** Lossless: numbers keep their text; of equal keys the last counts, as for the server. Throws a SyntaxError. */
export function canonicalJson(text: string): CanonicalJson {
  const walk: JsonWalk = { text, canonical: true };
  expectEnd(walk, walkValue(walk, walkSpace(walk, 0), 0));
  return walk.canonical ? (text as CanonicalJson) : rewrite(text.trim());
}

/** An object's members by name, each value as the raw text that stands there. Throws a SyntaxError. */
export function topLevelMembers(text: string): Map<string, string> {
  const members = new Map<string, string>();
  forEachMember(text, (key, value) => members.set(key, value));
  return members;
}

/** An object's members like topLevelMembers, each value in its canonical form. Throws a SyntaxError. */
export function canonicalMembers(text: string): Map<string, CanonicalJson> {
  const members = new Map<string, CanonicalJson>();
  forEachMember(text, (key, value, canonical) => members.set(key, canonical ? (value as CanonicalJson) : rewrite(value)));
  return members;
}

/** An array's elements, each as the raw text that stands there. Throws a SyntaxError. */
export function arrayElements(text: string): string[] {
  const walk: JsonWalk = { text, canonical: true };
  const elements: string[] = [];
  let next: number | undefined = walkOpening(walk, charCodes.openBracket);
  if (text.charCodeAt(next) === charCodes.closeBracket) {
    expectEnd(walk, next + 1);
    return elements;
  }
  let end = next;
  while (next !== undefined) {
    const valueAt = walkSpace(walk, next);
    const valueEnd = walkValue(walk, valueAt, 1);
    elements.push(text.slice(valueAt, valueEnd));
    end = walkSpace(walk, valueEnd);
    next = walkComma(walk, end, charCodes.closeBracket);
  }
  expectEnd(walk, end + 1);
  return elements;
}

function forEachMember(text: string, onMember: (key: string, value: string, canonical: boolean) => void): void {
  const walk: JsonWalk = { text, canonical: true };
  let next: number | undefined = walkOpening(walk, charCodes.openBrace);
  if (text.charCodeAt(next) === charCodes.closeBrace) {
    expectEnd(walk, next + 1);
    return;
  }
  let end = next;
  while (next !== undefined) {
    const keyAt = walkSpace(walk, next);
    const keyEnd = walkString(walk, keyAt);
    const valueAt = walkColon(walk, keyEnd);
    walk.canonical = true;
    const valueEnd = walkValue(walk, valueAt, 1);
    onMember(stringValue(text.slice(keyAt, keyEnd)), text.slice(valueAt, valueEnd), walk.canonical);
    end = walkSpace(walk, valueEnd);
    next = walkComma(walk, end, charCodes.closeBrace);
  }
  expectEnd(walk, end + 1);
}

/** The canonical form of a value that was walked and begins and ends without white space. */
function rewrite(text: string): CanonicalJson {
  switch (text.charCodeAt(0)) {
    case charCodes.openBrace: {
      const members = [...canonicalMembers(text)].sort(([a], [b]) => compareCodePoints(a, b));
      return `{${members.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}` as CanonicalJson;
    }
    case charCodes.openBracket:
      return `[${arrayElements(text).map(canonicalJson).join(',')}]` as CanonicalJson;
    case charCodes.quote:
      return JSON.stringify(stringValue(text)) as CanonicalJson;
    default:
      return text as CanonicalJson;
  }
}

/** Returns the place of the first character behind the opening one. */
function walkOpening(walk: JsonWalk, open: number): number {
  const at = walkSpace(walk, 0);
  if (walk.text.charCodeAt(at) !== open) throw unexpected(walk, at);
  return walkSpace(walk, at + 1);
}

function expectEnd(walk: JsonWalk, at: number): void {
  const end = walkSpace(walk, at);
  if (end < walk.text.length) throw unexpected(walk, end);
}

/** The value of a string literal that was walked. */
function stringValue(literal: string): string {
  return literal.includes('\\') ? (JSON.parse(literal) as string) : literal.slice(1, -1);
}

/** The order of the strings' UTF-8 bytes, in which the server sorts: surrogates come after all other units. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const difference = orderOfUnit(a.charCodeAt(index)) - orderOfUnit(b.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function orderOfUnit(code: number): number {
  if (code < 0xd800) return code;
  return code < 0xe000 ? code + 0x2000 : code - 0x800;
}
