import { assert } from '../../core/errors/assert.ts';

/** The header of every repository; its presence tells a repository from an empty mount point. */
export const repositoryHeaderKey = 'rstow-repository.json';

/** Holds unfinished puts at the root of a folder repository; never part of a key. */
export const stagingFolderName = '.tmp';

const keyLengthMax = 512;

/** 255 is what file systems allow for one name. */
const partPattern = /^[A-Za-z0-9._-]{1,255}$/;

/** Whether the text is a key: parts of `[A-Za-z0-9._-]` joined by `/`, none of them `.` or `..`, at most 512 characters. */
export function isObjectKey(text: string): boolean {
  if (text.length > keyLengthMax) return false;
  const parts = text.split('/');
  return parts[0] !== stagingFolderName && parts.every((part) => partPattern.test(part) && part !== '.' && part !== '..');
}

/** Keys are made by our own code from checked names: a bad one is a bug, and it never reaches a file system. */
export function assertObjectKey(key: string): void {
  assert(isObjectKey(key), `${JSON.stringify(key)} is a repository key`);
}

/** A prefix is what can be completed to a key; the empty one names everything. */
export function assertKeyPrefix(prefix: string): void {
  assert(isObjectKey(`${prefix}x`), `${JSON.stringify(prefix)} is the beginning of a repository key`);
}
