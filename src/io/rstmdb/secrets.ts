import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { type Document, isAlias, isCollection, isPair, isScalar, parseAllDocuments, visit } from 'yaml';

/** What a server's config file holds in clear that nobody may read in a repository. */

const REMOVED = 'removed-by-rstow';
const FRESH = new RegExp(`${REMOVED}-[0-9a-f]{32}`);

/** The name ends so: neither a hash of a token, nor the path of a file with it, is a secret. */
const SECRET_NAME = '(?:token|password|passwd|passphrase|secret|api_?key|private_?key|access_?key|credential)s?';
const SECRET_KEY = new RegExp(`${SECRET_NAME}$`, 'i');
const SECRET_LINE = new RegExp(`^(\\s*(?:export\\s+)?["']?[\\w.-]*${SECRET_NAME}["']?[ \\t]*[=:][ \\t]*)\\S.*$`, 'gim');
const PRIVATE_KEY = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?-----END \1-----/g;
const URL_PASSWORD = /\b([a-z][a-z0-9+.-]*:\/\/[^\s:@/]*:)[^\s@/]+@/gi;

type Range = { start: number; end: number };

/** The file with each secret replaced by a word; all else stays as the operator wrote it. What is no text is left alone. */
export function withoutSecrets(file: Buffer): Buffer {
  const encoding = encodingOf(file);
  if (encoding === undefined) return file;
  const text = file.toString(encoding);
  const documents = [...parseAllDocuments(text, { logLevel: 'silent' })];
  const isYaml = documents.some(({ contents }) => isCollection(contents)) && documents.every(({ errors }) => errors.length === 0);
  const cut = isYaml ? withoutRanges(text, documents.flatMap(secretRanges)) : text.replaceAll(SECRET_LINE, `$1${REMOVED}`);
  return Buffer.from(cut.replaceAll(PRIVATE_KEY, REMOVED).replaceAll(URL_PASSWORD, `$1${REMOVED}@`), encoding);
}

/** One umlaut of an old editor doesn't make the rest no text: in Latin-1 each byte stays what it is. Undefined for what is none. */
function encodingOf(file: Buffer): 'utf8' | 'latin1' | undefined {
  if (isUtf8(file)) return 'utf8';
  return file.includes(0) ? undefined : 'latin1';
}

/** Puts what nobody knows in the place of each removed secret: the word itself could be guessed, and an empty one may let everybody in. */
export function withFreshSecrets(file: Buffer): Buffer {
  const encoding = encodingOf(file);
  if (encoding === undefined) return file;
  return Buffer.from(
    file.toString(encoding).replaceAll(REMOVED, () => `${REMOVED}-${randomBytes(16).toString('hex')}`),
    encoding,
  );
}

/** Whether a person still has to write the secrets into a file that `withFreshSecrets` gave. */
export function lacksSecrets(file: Buffer): boolean {
  return FRESH.test(file.toString());
}

function secretRanges(document: Document): Range[] {
  const ranges: Range[] = [];
  visit(document, {
    Pair: (_key, { key, value }) => {
      if (isScalar(key) && SECRET_KEY.test(String(key.value))) addScalars(value, { document, ranges });
    },
  });
  return ranges;
}

/** A secret may be a list, and may be written elsewhere and only named here. */
function addScalars(node: unknown, of: { document: Document; ranges: Range[] }): void {
  if (isPair(node)) addScalars(node.value, of);
  else if (isCollection(node)) for (const item of node.items) addScalars(item, of);
  else if (isAlias(node)) addScalars(node.resolve(of.document), of);
  else if (isScalar(node) && node.range && !isHarmless(node.value)) of.ranges.push({ start: node.range[0], end: node.range[1] });
}

function isHarmless(value: unknown): boolean {
  return value === null || value === '' || typeof value === 'boolean';
}

function withoutRanges(text: string, ranges: readonly Range[]): string {
  let rest = text;
  for (const { start, end } of uniqueFromEnd(ranges)) {
    const lineEnd = rest.slice(start, end).endsWith('\n') ? '\n' : '';
    rest = `${rest.slice(0, start)}"${REMOVED}"${lineEnd}${rest.slice(end)}`;
  }
  return rest;
}

function uniqueFromEnd(ranges: readonly Range[]): Range[] {
  const byStart = new Map(ranges.map((range) => [range.start, range]));
  return [...byStart.values()].sort((one, other) => other.start - one.start);
}
