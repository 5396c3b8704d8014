import { z } from 'zod';
import { count, sha256Hex, sizeBytes } from './parts.ts';

/**
 * What is known of one piece, beside it; written after the piece, and rebuilt by reading the piece
 * where it is missing. Unknown fields are ignored: a newer writer may add some.
 */
export const sidecarSchema = z.object({
  format: z.literal(1),
  /** The run that stored the piece. */
  runId: z.string(),
  /** Of the plain WAL bytes. */
  sha256: sha256Hex,
  records: count,
  /** Of the object as it is stored. */
  storedBytes: sizeBytes,
  storedSha256: sha256Hex,
  /** The last record's place, checksum and number: they tell a diverged file without reading the piece. */
  lastRecord: z.object({ startBytes: sizeBytes, crc32c: count, sequence: z.number().min(0) }),
});

export type Sidecar = z.infer<typeof sidecarSchema>;

/** What is known of an attachment, beside it; written after it: without one it may be the beginning of what was to be stored. */
export const attachmentSidecarSchema = z.object({
  format: z.literal(1),
  /** Of the plain bytes. */
  sizeBytes,
  sha256: sha256Hex,
  /** Of the object as it is stored. */
  storedBytes: sizeBytes,
  storedSha256: sha256Hex,
});

export type AttachmentSidecar = z.infer<typeof attachmentSidecarSchema>;

/** What a sidecar of either kind says of its object. */
export const codedSidecarSchema = z.looseObject({
  format: z.literal(1),
  /** Of the plain bytes: only an attachment's says so. */
  sizeBytes: sizeBytes.optional(),
  sha256: sha256Hex,
  storedBytes: sizeBytes,
  storedSha256: sha256Hex,
});

export type CodedSidecar = z.infer<typeof codedSidecarSchema>;

/** `damage/<runId>-<atMs>.json`: an object that a check found damaged, until a backup has stored it again. */
export const damageSchema = z.object({
  format: z.literal(1),
  key: z.string().min(1),
  /** The backup that was checked or restored; absent if a copy of the repository met it. */
  label: z.string().optional(),
  runId: z.string(),
  atMs: z.int(),
});

export type DamageFact = z.infer<typeof damageSchema>;
