import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isUnreadable } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Repository } from './port.ts';

/** What a reader takes into memory at once; no object of ours comes near it. */
const SEALED_SIZE_BYTES_MAX = 64 * 1024 * 1024;

export type SealedSchema<Value> = z.ZodType<Value>;

const envelope = z.object({ sha256: z.string(), content: z.unknown() });

/**
 * A JSON object whose content carries its own SHA-256, so that a flipped bit never passes for a fact.
 * The seal is over `JSON.stringify(content)`: parsing and printing again gives the same text.
 */
export function sealObject<Schema extends z.ZodType>(schema: Schema, value: z.output<Schema>): Uint8Array {
  const content = z.encode(schema, value);
  return Buffer.from(`${JSON.stringify({ sha256: sealOf(content), content }, undefined, 1)}\n`);
}

/** Put if absent. Fails: object-too-large, for nobody would read it again. Twice: `exists`. */
export async function putSealed<Schema extends z.ZodType>(
  repository: Repository,
  key: string,
  object: { schema: Schema; value: z.output<Schema> },
): Promise<'stored' | 'exists'> {
  return repository.put(key, sealedBytes(key, object));
}

/** What is put under the key. Fails: object-too-large, for nobody would read it again. */
export function sealedBytes<Schema extends z.ZodType>(key: string, object: { schema: Schema; value: z.output<Schema> }): Uint8Array {
  const bytes = sealObject(object.schema, object.value);
  if (bytes.length > SEALED_SIZE_BYTES_MAX) throw tooLarge(key, bytes.length);
  return bytes;
}

/**
 * What an earlier step of the same run has stored. Fails: missing-object, where somebody has removed it since;
 * truncated-object, damaged-object, format-unsupported, repository-unavailable.
 */
export async function readOwn<Schema extends z.ZodType>(repository: Repository, key: string, schema: Schema): Promise<z.output<Schema>> {
  const object = await readSealed(repository, key, schema);
  if (object !== undefined) return object;
  throw new RstowError('missing-object', `${key}, which this run has stored, is gone: somebody removes objects from the repository`, {
    details: { key },
  });
}

/** Undefined where absent. Fails: truncated-object, damaged-object, format-unsupported, repository-unavailable. */
export async function readSealed<Schema extends z.ZodType>(
  repository: Repository,
  key: string,
  schema: Schema,
): Promise<z.output<Schema> | undefined> {
  const bytes = await repository.read(key, { sizeBytesMax: SEALED_SIZE_BYTES_MAX });
  return bytes === undefined ? undefined : openSealed(key, bytes, schema);
}

/** Undefined where one object can't be used: to say so is a verification's, and here it must keep nobody from the others. */
export async function unlessUnreadable<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof RstowError && isUnreadable(error.code)) return undefined;
    throw error;
  }
}

function openSealed<Schema extends z.ZodType>(key: string, bytes: Uint8Array, schema: Schema): z.output<Schema> {
  const sealed = envelope.safeParse(parseJson(key, bytes));
  if (!sealed.success) throw damaged(key, 'is not a sealed JSON object', sealed.error);
  if (sealOf(sealed.data.content) !== sealed.data.sha256) throw damaged(key, 'does not match its own SHA-256');
  refuseNewerFormat(key, sealed.data.content);
  const content = schema.safeParse(sealed.data.content);
  if (content.success) return content.data;
  const unknown = content.error.issues.find((issue) => isUnknownKind(issue, sealed.data.content));
  if (unknown !== undefined) throw unknownValue(key, unknown);
  throw damaged(key, `is not what belongs there: ${z.prettifyError(content.error)}`, content.error);
}

/** A value that is none of those that may stand there, or a union's kind that has no schema here. */
function isUnknownKind(issue: z.core.$ZodIssue, content: unknown): boolean {
  const isOfKinds = issue.code === 'invalid_value' || (issue.code === 'invalid_union' && issue.discriminator !== undefined);
  return isOfKinds && valueAt(content, issue.path) !== undefined;
}

/** The seal holds, so nothing has changed the object since it was written: its writer knows a kind that this one doesn't. */
function unknownValue(key: string, { path, message }: z.core.$ZodIssue): RstowError {
  const sentence = `${key} has at "${path.join('.')}" a value that this rstow does not know (${message})`;
  return new RstowError('format-unsupported', sentence, { details: { key } });
}

function valueAt(content: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, name) => (value as Record<PropertyKey, unknown> | undefined)?.[name], content);
}

function tooLarge(key: string, sizeBytes: number): RstowError {
  const sentence = `${key} would have ${sizeBytes} bytes, and at most ${SEALED_SIZE_BYTES_MAX} can be read again`;
  return new RstowError('object-too-large', sentence, { details: { key, sizeBytes, sizeBytesMax: SEALED_SIZE_BYTES_MAX } });
}

function sealOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

function parseJson(key: string, bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    if (isBeginning(text)) throw new RstowError('truncated-object', `${key} is cut short`, { details: { key }, cause: error });
    throw damaged(key, 'is not JSON', error);
  }
}

/** A sealed object's last line is its closing brace. */
function isBeginning(text: string): boolean {
  return text === '' || (text.startsWith('{') && !/\n\}\s*$/.test(text));
}

function refuseNewerFormat(key: string, content: unknown): void {
  const format = z.object({ format: z.int().min(2) }).safeParse(content);
  if (!format.success) return;
  throw new RstowError('format-unsupported', `${key} has format ${format.data.format}; this rstow reads format 1`, {
    details: { key },
  });
}

function damaged(key: string, what: string, cause?: unknown): RstowError {
  return new RstowError('damaged-object', `${key} ${what}`, { details: { key }, cause });
}
