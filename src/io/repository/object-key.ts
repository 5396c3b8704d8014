import { assert } from '../../core/errors/rstow-error.ts';
import type { ByteRange } from './port.ts';

/** The first header of every repository; its presence tells a repository from an empty mount point. */
export const REPOSITORY_HEADER_KEY = 'rstow-repository.json';

/** How the keys of all headers begin. */
export const HEADER_PREFIX = 'rstow-repository';

/** Each header that was raised is an object of its own, counted from 2. */
export function raisedHeaderKey(generation: number): string {
  return `${HEADER_PREFIX}-${String(generation).padStart(8, '0')}.json`;
}

/** The generation of a header's key, or undefined for any other key. */
export function headerGeneration(key: string): number | undefined {
  if (key === REPOSITORY_HEADER_KEY) return 1;
  const [, digits] = /^rstow-repository-([0-9]{8})\.json$/.exec(key) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** Holds unfinished puts at the root of a folder repository; never part of a key. */
export const STAGING_FOLDER_NAME = '.tmp';

const KEY_LENGTH_MAX = 512;

/** 255 is what file systems allow for one name. */
const PART = /^[A-Za-z0-9._-]{1,255}$/;

/** Whether the text is a key: parts of `[A-Za-z0-9._-]` joined by `/`, none of them `.` or `..`, at most 512 characters. */
export function isObjectKey(text: string): boolean {
  if (text.length > KEY_LENGTH_MAX) return false;
  const parts = text.split('/');
  return parts[0] !== STAGING_FOLDER_NAME && parts.every(isPart);
}

/** Whether a name that lies in the folder of a key, which ends with `/` or is empty, makes another key. */
export function isKeyIn(folder: string, name: string): boolean {
  return isPart(name) && folder.length + name.length <= KEY_LENGTH_MAX && (folder !== '' || name !== STAGING_FOLDER_NAME);
}

function isPart(text: string): boolean {
  return PART.test(text) && text !== '.' && text !== '..';
}

/** Keys are made by our own code from checked names: a bad one is a bug, and it never reaches a file system. */
export function assertObjectKey(key: string): void {
  assert(isObjectKey(key), `${JSON.stringify(key)} is a repository key`);
}

/** A prefix is what can be completed to a key; the empty one names everything. */
export function assertKeyPrefix(prefix: string): void {
  assert(isObjectKey(`${prefix}x`), `${JSON.stringify(prefix)} is the beginning of a repository key`);
}

export function assertRange({ startBytes, endBytes }: ByteRange): void {
  const isRange = Number.isSafeInteger(startBytes) && Number.isSafeInteger(endBytes) && startBytes >= 0 && startBytes <= endBytes;
  assert(isRange, `${startBytes} to ${endBytes} is a range of bytes`);
}

/** What a folded listing calls what the key lies in; the key itself, if it lies in no deeper folder. */
export function foldedKey(prefix: string, key: string): string {
  const end = key.indexOf('/', prefix.lastIndexOf('/') + 1);
  return end === -1 ? key : key.slice(0, end + 1);
}
