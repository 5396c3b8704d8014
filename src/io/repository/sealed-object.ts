import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isObjectDamage, isUnreadable } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { signedText } from '../../core/repository/signing.ts';
import type { Repository } from './port.ts';

/** What a reader takes into memory at once; no object of ours comes near it. */
const SEALED_SIZE_BYTES_MAX = 64 * 1024 * 1024;

export type SealedSchema<Value> = z.ZodType<Value>;

const signatureSchema = z.object({ signer: z.string(), value: z.string() });
const envelope = z.object({ sha256: z.string(), signature: signatureSchema.optional(), content: z.unknown() });

type Sealing<Schema extends z.ZodType> = { schema: Schema; value: z.output<Schema> };

/** Put if absent. Fails: object-too-large, for nobody would read it again. Twice: `exists`. */
export async function putSealed<Schema extends z.ZodType>(
  repository: Repository,
  key: string,
  object: Sealing<Schema>,
): Promise<'stored' | 'exists'> {
  return repository.put(key, sealedBytes(repository, key, object));
}

/**
 * What is put under the key: a JSON object whose content carries its own SHA-256, so that a flipped bit never passes for a fact, and
 * the signature of who wrote it, so that nobody else does. Fails: object-too-large, for nobody would read it again.
 */
export function sealedBytes<Schema extends z.ZodType>(
  { signing }: Pick<Repository, 'signing'>,
  key: string,
  object: Sealing<Schema>,
): Uint8Array {
  const content = z.encode(object.schema, object.value);
  const sha256 = hashOf(content);
  const signature = signing?.sign(signedText(key, sha256));
  const bytes = Buffer.from(`${JSON.stringify({ sha256, signature, content }, undefined, 1)}\n`);
  if (bytes.length > SEALED_SIZE_BYTES_MAX) throw tooLarge(key, bytes.length);
  return bytes;
}

/** The SHA-256 that the object of this value has. */
export function sealOf<Schema extends z.ZodType>({ schema, value }: Sealing<Schema>): string {
  return hashOf(z.encode(schema, value));
}

/**
 * What an earlier step of the same run has stored. Fails: missing-object, where somebody has removed it since;
 * truncated-object, damaged-object, untrusted-object, format-unsupported, repository-unavailable.
 */
export async function readOwn<Schema extends z.ZodType>(repository: Repository, key: string, schema: Schema): Promise<z.output<Schema>> {
  const object = await readSealed(repository, key, schema);
  if (object !== undefined) return object;
  throw new RstowError('missing-object', `${key}, which this run has stored, is gone: somebody removes objects from the repository`, {
    details: { key },
  });
}

/** Undefined where absent. Fails: truncated-object, damaged-object, untrusted-object, format-unsupported, repository-unavailable. */
export async function readSealed<Schema extends z.ZodType>(
  repository: Repository,
  key: string,
  schema: Schema,
): Promise<z.output<Schema> | undefined> {
  return (await readSealedBytes(repository, key, schema))?.content;
}

/** The same, and the object as it is stored: for a copy of it. */
export async function readSealedBytes<Schema extends z.ZodType>(
  repository: Repository,
  key: string,
  schema: Schema,
): Promise<{ content: z.output<Schema>; bytes: Uint8Array } | undefined> {
  try {
    return await readVersion(repository, { key, schema });
  } catch (error) {
    if (!(error instanceof RstowError) || !isObjectDamage(error.code)) throw error;
    const older = await soundVersion(repository, { key, schema });
    if (older === undefined) throw error;
    return older;
  }
}

type Sealed<Schema extends z.ZodType> = { content: z.output<Schema>; bytes: Uint8Array };
type Wanted<Schema> = { key: string; schema: Schema; versionId?: string };

async function readVersion<Schema extends z.ZodType>(
  repository: Repository,
  { key, schema, versionId }: Wanted<Schema>,
): Promise<Sealed<Schema> | undefined> {
  const bytes = await repository.read(key, { sizeBytesMax: SEALED_SIZE_BYTES_MAX, versionId });
  return bytes === undefined ? undefined : { content: openSealed(repository, { key, bytes, schema }), bytes };
}

/**
 * What the object was before somebody damaged it or put another in its place, if the repository keeps that. One that is absent is not
 * looked for: it may have been deleted rightly.
 */
async function soundVersion<Schema extends z.ZodType>(repository: Repository, wanted: Wanted<Schema>): Promise<Sealed<Schema> | undefined> {
  try {
    for await (const { key, versionId } of repository.versions?.(wanted.key) ?? []) {
      if (key !== wanted.key) break;
      const older = await unlessUnreadable(readVersion(repository, { ...wanted, versionId }));
      if (older !== undefined) return older;
    }
  } catch (error) {
    // Whoever reads may have no right to see versions.
    if (!(error instanceof RstowError)) throw error;
  }
  return undefined;
}

/** What lay under another key before it was put aside: its signature is of that one. Undefined where absent. Fails: as `readSealed`. */
export async function readPutAside<Schema extends z.ZodType>(
  repository: Repository,
  { key, formerKey, schema }: { key: string; formerKey: string; schema: Schema },
): Promise<z.output<Schema> | undefined> {
  const bytes = await repository.read(key, { sizeBytesMax: SEALED_SIZE_BYTES_MAX });
  return bytes === undefined ? undefined : openSealed(repository, { key: formerKey, bytes, schema });
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

type SealedBytes<Schema> = { key: string; bytes: Uint8Array; schema: Schema };

function openSealed<Schema extends z.ZodType>(
  { signing, description }: Repository,
  { key, bytes, schema }: SealedBytes<Schema>,
): z.output<Schema> {
  const sealed = envelope.safeParse(parseJson(key, bytes));
  if (!sealed.success) throw damaged(key, 'is not a sealed JSON object', sealed.error);
  const { sha256, signature } = sealed.data;
  if (hashOf(sealed.data.content) !== sha256) throw damaged(key, 'does not match its own SHA-256');
  const refusal = signing?.refusalOf(signedText(key, sha256), signature);
  if (refusal !== undefined) throw new RstowError(refusal.code, `${key} ${refusal.why} (${description})`, { details: { key } });
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

/** Over `JSON.stringify(content)`: parsing and printing again gives the same text. */
function hashOf(content: unknown): string {
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
