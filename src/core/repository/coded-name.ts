/**
 * How the names of coded objects end: `.zst`, and behind it the key set and the cipher if they are encrypted, as in `.zst.1f00d5ee.age`.
 * So a name says which keys open its object, and one that is encrypted anew gets a name of its own.
 */
export type Cipher = 'age' | 'gpg';

/** As text of a regular expression: where it ends a name. */
export const SUFFIX_PATTERN = '\\.zst(?:\\.[0-9a-f]{8}\\.(?:age|gpg))?';

const ENCRYPTED = /\.zst\.([0-9a-f]{8})\.(age|gpg)$/;
const SUFFIX = new RegExp(`${SUFFIX_PATTERN}$`);

/** The suffix of a coded object's key, or undefined for any other key. */
export function suffixOf(key: string): string | undefined {
  return SUFFIX.exec(key)?.[0];
}

/** Which keys open the object of this key; undefined if it is not encrypted. */
export function keySetOf(key: string): { keySet: string; cipher: Cipher } | undefined {
  const [, keySet, cipher] = ENCRYPTED.exec(key) ?? [];
  return keySet === undefined ? undefined : { keySet, cipher: cipher as Cipher };
}

/** What is known of a coded object, beside it. */
export const sidecarKey = (key: string): string => `${key}.json`;

export const KEY_SETS_PREFIX = 'keys/';

/** What is known of a key set, for all databases of the repository. */
export const keySetKey = (keySet: string): string => `${KEY_SETS_PREFIX}${keySet}.json`;

/** The key set that such a key names, or undefined for any other key. */
export function keySetOfDescription(key: string): string | undefined {
  return /^keys\/([0-9a-f]{8})\.json$/.exec(key)?.[1];
}
