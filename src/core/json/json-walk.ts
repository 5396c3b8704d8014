/**
 * One strict pass over JSON text (RFC 8259) that makes nothing of it: it finds where values end, and whether the
 * text is already canonical. `canonical` is cleared at the first doubt, so it may be false for a canonical text.
 */
export type JsonWalk = { readonly text: string; canonical: boolean };

/** The server refuses more than 128 levels; a few more for what wraps its values. It bounds our own stack. */
export const JSON_DEPTH_MAX = 160;

export const charCodes = {
  quote: 0x22,
  comma: 0x2c,
  minus: 0x2d,
  point: 0x2e,
  zero: 0x30,
  nine: 0x39,
  colon: 0x3a,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const;

const SPACE = 0x20;
/** UTF-16 order and code point order part ways here. */
const FIRST_SURROGATE = 0xd800;
const EXPONENT = /[eE][+-]?[0-9]+/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
/** As the server writes them: short names where there are some, else lower-case hex, and control characters only. */
const CANONICAL_ESCAPE = /\\(?:["\\bfnrt]|u00(?:0[0-7be-f]|1[0-9a-f]))/y;
const LITERAL = /true|false|null/y;

/** Walks the value at `at`; returns its end. Throws a SyntaxError where it is no JSON. */
export function walkValue(walk: JsonWalk, at: number, depth: number): number {
  switch (walk.text.charCodeAt(at)) {
    case charCodes.quote:
      return walkString(walk, at);
    case charCodes.openBrace:
      return walkObject(walk, at, depth + 1);
    case charCodes.openBracket:
      return walkArray(walk, at, depth + 1);
    case 0x74:
    case 0x66:
    case 0x6e:
      return expectMatch(walk, at, LITERAL);
    default:
      return walkNumber(walk, at);
  }
}

/** Returns the place of the next character that isn't white space, which a canonical text has none of. */
export function walkSpace(walk: JsonWalk, at: number): number {
  let next = at;
  let code = walk.text.charCodeAt(next);
  while (code === SPACE || code === 0x0a || code === 0x0d || code === 0x09) {
    walk.canonical = false;
    next += 1;
    code = walk.text.charCodeAt(next);
  }
  return next;
}

/** Returns the end of the string that begins at `at`, behind its closing quote. */
export function walkString(walk: JsonWalk, at: number): number {
  const { text } = walk;
  if (text.charCodeAt(at) !== charCodes.quote) throw unexpected(walk, at);
  for (let next = at + 1; ; next += 1) {
    const code = text.charCodeAt(next);
    if (code === charCodes.quote) return next + 1;
    if (code === charCodes.backslash) next = walkEscape(walk, next) - 1;
    // NaN, the end of the text, is not above either.
    else if (!(code >= SPACE)) throw unexpected(walk, next);
  }
}

/** Returns the place behind `,`, or undefined at `close`. */
export function walkComma(walk: JsonWalk, at: number, close: number): number | undefined {
  const code = walk.text.charCodeAt(at);
  if (code === charCodes.comma) return at + 1;
  if (code === close) return undefined;
  throw unexpected(walk, at);
}

/** Returns the place behind `:` and the white space around it. */
export function walkColon(walk: JsonWalk, at: number): number {
  const colonAt = walkSpace(walk, at);
  if (walk.text.charCodeAt(colonAt) !== charCodes.colon) throw unexpected(walk, colonAt);
  return walkSpace(walk, colonAt + 1);
}

export function unexpected(walk: JsonWalk, at: number): SyntaxError {
  return new SyntaxError(at < walk.text.length ? `no JSON at character ${at}` : 'the JSON text ends too early');
}

function walkObject(walk: JsonWalk, at: number, depth: number): number {
  if (depth > JSON_DEPTH_MAX) throw new SyntaxError(`JSON nests deeper than ${JSON_DEPTH_MAX} levels`);
  let next = walkSpace(walk, at + 1);
  if (walk.text.charCodeAt(next) === charCodes.closeBrace) return next + 1;
  let previousKeyAt = -1;
  for (;;) {
    const keyAt = next;
    const keyEnd = walkString(walk, keyAt);
    if (walk.canonical && previousKeyAt >= 0) walk.canonical = surelyAscend(walk.text, previousKeyAt, keyAt);
    previousKeyAt = keyAt;
    next = walkSpace(walk, walkValue(walk, walkColon(walk, keyEnd), depth));
    const behindComma = walkComma(walk, next, charCodes.closeBrace);
    if (behindComma === undefined) return next + 1;
    next = walkSpace(walk, behindComma);
  }
}

function walkArray(walk: JsonWalk, at: number, depth: number): number {
  if (depth > JSON_DEPTH_MAX) throw new SyntaxError(`JSON nests deeper than ${JSON_DEPTH_MAX} levels`);
  let next = walkSpace(walk, at + 1);
  if (walk.text.charCodeAt(next) === charCodes.closeBracket) return next + 1;
  for (;;) {
    next = walkSpace(walk, walkValue(walk, next, depth));
    const behindComma = walkComma(walk, next, charCodes.closeBracket);
    if (behindComma === undefined) return next + 1;
    next = walkSpace(walk, behindComma);
  }
}

function walkNumber(walk: JsonWalk, at: number): number {
  const { text } = walk;
  const integerAt = text.charCodeAt(at) === charCodes.minus ? at + 1 : at;
  let next = text.charCodeAt(integerAt) === charCodes.zero ? integerAt + 1 : walkDigits(walk, integerAt);
  if (text.charCodeAt(next) === charCodes.point) next = walkDigits(walk, next + 1);
  const code = text.charCodeAt(next);
  return code === 0x65 || code === 0x45 ? expectMatch(walk, next, EXPONENT) : next;
}

function walkDigits(walk: JsonWalk, at: number): number {
  let next = at;
  for (;;) {
    const code = walk.text.charCodeAt(next);
    if (!(code >= charCodes.zero && code <= charCodes.nine)) break;
    next += 1;
  }
  if (next === at) throw unexpected(walk, at);
  return next;
}

function walkEscape(walk: JsonWalk, at: number): number {
  const end = expectMatch(walk, at, ESCAPE);
  CANONICAL_ESCAPE.lastIndex = at;
  if (!CANONICAL_ESCAPE.test(walk.text)) walk.canonical = false;
  return end;
}

function expectMatch(walk: JsonWalk, at: number, pattern: RegExp): number {
  pattern.lastIndex = at;
  if (!pattern.test(walk.text)) throw unexpected(walk, at);
  return pattern.lastIndex;
}

/**
 * Whether the key at `a` comes before the one at `b` for sure: with escapes or surrogates the raw text can't tell.
 * The quote that ends a key is as good as no character, but for a space or `!` in its place: then it isn't sure.
 */
function surelyAscend(text: string, a: number, b: number): boolean {
  for (let index = 1; ; index += 1) {
    const codeA = text.charCodeAt(a + index);
    const codeB = text.charCodeAt(b + index);
    if (codeA === charCodes.backslash || codeB === charCodes.backslash) return false;
    if (codeA >= FIRST_SURROGATE || codeB >= FIRST_SURROGATE) return false;
    if (codeB === charCodes.quote) return false;
    if (codeA !== codeB) return codeA < codeB;
  }
}
