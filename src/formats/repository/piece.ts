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

/** `damage/<runId>-<atMs>.json`: an object that a check found damaged, until a backup has stored it again. */
export const damageSchema = z.object({
  format: z.literal(1),
  key: z.string().min(1),
  /** The backup that was checked. */
  label: z.string(),
  runId: z.string(),
  atMs: z.int(),
});

export type DamageFact = z.infer<typeof damageSchema>;
