import { z } from 'zod';
import { RstowError } from '../../core/errors/rstow-error.ts';

/** The newest repository format that this version reads and writes. */
export const SUPPORTED_FORMAT = 1;

/** What a repository may use beyond its format, each by a name that readers must know. */
const KNOWN_FEATURES: readonly string[] = [];

const versionSchema = z.int().positive();

/** Read before the rest: a later format may have another shape. */
const versionsSchema = z.looseObject({ minReader: versionSchema, minWriter: versionSchema });

/** Loose: fields of later versions are none of our business. */
const headerSchema = z.looseObject({
  format: versionSchema,
  minReader: versionSchema,
  minWriter: versionSchema,
  features: z.array(z.string()),
  id: z.uuid(),
});

/** `rstow-repository.json`: what the repository is and who may use it. `id` tells two repositories apart. */
export type RepositoryHeader = z.infer<typeof headerSchema>;

export function newRepositoryHeader(id: string): RepositoryHeader {
  return { format: SUPPORTED_FORMAT, minReader: SUPPORTED_FORMAT, minWriter: SUPPORTED_FORMAT, features: [], id };
}

/** What a newer way of storing takes from who reads or writes here; each of it only grows. */
export type HeaderRaise = { minReader?: number | undefined; minWriter?: number | undefined; features?: readonly string[] | undefined };

/** The header with at least that; all else of it, and fields that this version doesn't know, stay. */
export function raisedHeader(header: RepositoryHeader, raise: HeaderRaise): RepositoryHeader {
  const { minReader = 0, minWriter = 0, features = [] } = raise;
  return {
    ...header,
    minReader: Math.max(header.minReader, minReader),
    minWriter: Math.max(header.minWriter, minWriter),
    features: [...new Set([...header.features, ...features])],
  };
}

type Reading = {
  access: 'read' | 'write';
  /** For messages: `folder /backup/rstmdb`. */
  place: string;
  /** Known beside those that every part of this version knows. */
  features?: readonly string[] | undefined;
};

/** Fails: damaged-object, format-unsupported (made by a version that says that this one must not use it). */
export function parseRepositoryHeader(text: string, { access, place, features = [] }: Reading): RepositoryHeader {
  const json = parseJson(text, place);
  const versions = parsed(versionsSchema, json, place);
  const needed = access === 'read' ? versions.minReader : Math.max(versions.minReader, versions.minWriter);
  if (needed > SUPPORTED_FORMAT) {
    const sentence = `to ${access} ${place} takes format ${needed}; this rstow knows formats up to ${SUPPORTED_FORMAT}`;
    throw new RstowError('format-unsupported', sentence, { details: { needed, supported: SUPPORTED_FORMAT } });
  }
  const header = parsed(headerSchema, json, place);
  const unknown = header.features.find((feature) => !KNOWN_FEATURES.includes(feature) && !features.includes(feature));
  if (unknown === undefined) return header;
  throw new RstowError('format-unsupported', `${place} uses the feature "${unknown}", which this rstow does not know`, {
    details: { feature: unknown },
  });
}

function parseJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RstowError('damaged-object', `rstow-repository.json of ${place} is not JSON`, { cause: error });
  }
}

function parsed<Output>(schema: z.ZodType<Output>, json: unknown, place: string): Output {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const sentence = `rstow-repository.json of ${place} is damaged at '${issue?.path.join('.') ?? ''}': ${issue?.message ?? ''}`;
  throw new RstowError('damaged-object', sentence, { cause: result.error });
}
