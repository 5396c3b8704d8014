import { RstowError } from '../../core/errors/rstow-error.ts';
import { arrayElements, topLevelMembers } from '../../core/json/canonical-json.ts';
import { parseWalOffset, type WalOffset } from '../../core/wal/wal-offset.ts';

/** What the server says about a request that it refuses. */
export type ServerError = { serverCode: string; message: string; retryable: boolean };

/** `resultText` is the result as the server wrote it: parsing it would round big integers and lose `1.0`. */
export type Answer =
  { kind: 'ok'; id: string; resultText: string } | { kind: 'refused'; id: string; error: ServerError } | { kind: 'damaged' };

/** An object's members by name, each value as raw JSON text. */
export type RawMembers = ReadonlyMap<string, string>;

/** Reads the payload of one frame. */
export function readAnswer(payloadText: string): Answer {
  try {
    const members = rawMembers(payloadText);
    const id = textMember(members, 'id');
    if (textMember(members, 'status') === 'ok') return { kind: 'ok', id, resultText: rawMember(members, 'result') };
    const error = rawMembers(rawMember(members, 'error'));
    const retryable = error.get('retryable') === 'true';
    return { kind: 'refused', id, error: { serverCode: textMember(error, 'code'), message: textMember(error, 'message'), retryable } };
  } catch {
    // Whatever is wrong with it, an answer that can't be read means the same for its reader.
    return { kind: 'damaged' };
  }
}

/** An object's members. Fails: server-version-unsupported, as all of these do, where the answer has another shape. */
export function rawMembers(text: string): RawMembers {
  return parsed(text, topLevelMembers);
}

/** An array's elements, each as raw JSON text. */
export function rawElements(text: string): string[] {
  return parsed(text, arrayElements);
}

export function rawMember(members: RawMembers, name: string): string {
  const text = members.get(name);
  if (text === undefined) throw unexpectedMember(name);
  return text;
}

export function textMember(members: RawMembers, name: string): string {
  const value: unknown = JSON.parse(rawMember(members, name));
  if (typeof value !== 'string') throw unexpectedMember(name);
  return value;
}

export function countMember(members: RawMembers, name: string): number {
  const value = Number(rawMember(members, name));
  if (!Number.isSafeInteger(value) || value < 0) throw unexpectedMember(name);
  return value;
}

export function offsetMember(members: RawMembers, name: string): WalOffset {
  const offset = parseWalOffset(rawMember(members, name));
  if (offset === undefined) throw unexpectedMember(name);
  return offset;
}

export function unexpectedMember(name: string): RstowError {
  return new RstowError('server-version-unsupported', `the server's answer has no '${name}' that rstow understands`, {
    details: { member: name },
  });
}

function parsed<Parts>(text: string, parse: (text: string) => Parts): Parts {
  try {
    return parse(text);
  } catch (error) {
    throw new RstowError('server-version-unsupported', "the server's answer has another shape than rstow understands", { cause: error });
  }
}

/** JSON text of an object whose members are raw JSON texts; undefined ones are left out. */
export function objectText(members: Record<string, string | undefined>): string {
  const texts = Object.entries(members).flatMap(([name, text]) => (text === undefined ? [] : [`${JSON.stringify(name)}:${text}`]));
  return `{${texts.join(',')}}`;
}
