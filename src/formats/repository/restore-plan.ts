import { z } from 'zod';
import { count, extent, segmentText, sha256Hex, sizeBytes, timelineId } from './parts.ts';

/** A stored object, and the part of its plain bytes that a segment takes. */
const slice = z.object({ key: z.string(), skipBytes: sizeBytes, takeBytes: sizeBytes });

/** What a restore will do, decided before anything is touched: an object, hashed for approval. */
export const restorePlanSchema = z.object({
  format: z.literal(1),
  database: z.string(),
  repository: z.string(),
  label: z.string(),
  fromTimeline: timelineId,
  segments: z.array(
    z.object({
      segment: segmentText,
      endBytes: sizeBytes,
      slices: z.array(slice),
      /** Checked while the bytes stream in, in the manifest's ranges. */
      ranges: z.array(z.object({ endBytes: sizeBytes, sha256: sha256Hex, records: count })),
    }),
  ),
  records: count,
  machines: count,
  instances: count,
  stateDigest: sha256Hex,
  /** Numeric owner and modes for a wal/ whose own are lost. */
  ownership: z.object({ uid: count, gid: count, folderMode: count, fileMode: count }),
  /** Absolute; the database's own data directory, or another one. */
  dataDir: z.string(),
  inPlace: z.boolean(),
  /** What lies in the directory that is restored in place: it is part of what is approved. Absent elsewhere. */
  replaces: z.object({ data: z.object({ timeline: timelineId.nullable(), end: extent }).nullable() }).optional(),
});

export type RestorePlan = z.infer<typeof restorePlanSchema>;
