import { createHash } from 'node:crypto';
import { z } from 'zod';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Repository } from './repository.ts';

/** Manifests of very long histories stay below it: about 100 bytes a range. */
const SEALED_SIZE_BYTES_MAX = 64 * 1024 * 1024;

const envelope = z.object({ sha256: z.string(), content: z.unknown() });

/**
 * A JSON object whose content carries its own SHA-256, so that a flipped bit never passes for a fact.
 * The seal is over `JSON.stringify(content)`: parsing and printing again gives the same text.
 */
export function sealObject<Schema extends z.ZodType>(schema: Schema, value: z.output<Schema>): Uint8Array {
  const content = z.encode(schema, value);
  return Buffer.from(`${JSON.stringify({ sha256: sealOf(content), content }, undefined, 1)}\n`);
}

/** Put if absent. Twice: `exists`. */
export async function putSealed<Schema extends z.ZodType>(
  repository: Repository,
  key: string,
  object: { schema: Schema; value: z.output<Schema> },
): Promise<'stored' | 'exists'> {
  return repository.put(key, sealObject(object.schema, object.value));
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

function openSealed<Schema extends z.ZodType>(key: string, bytes: Uint8Array, schema: Schema): z.output<Schema> {
  const sealed = envelope.safeParse(parseJson(key, bytes));
  if (!sealed.success) throw damaged(key, 'is not a sealed JSON object', sealed.error);
  if (sealOf(sealed.data.content) !== sealed.data.sha256) throw damaged(key, 'does not match its own SHA-256');
  refuseNewerFormat(key, sealed.data.content);
  const content = schema.safeParse(sealed.data.content);
  if (!content.success) throw damaged(key, `is not what belongs there: ${z.prettifyError(content.error)}`, content.error);
  return content.data;
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
