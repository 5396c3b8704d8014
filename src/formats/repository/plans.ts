import { z } from 'zod';
import { parseWalOffset, type WalOffset, walOffsetText } from '../../core/wal/wal-offset.ts';
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
  /** Of a recovery to a point within the backup: where its log is cut, at a record's boundary of the last segment. */
  cutBytes: sizeBytes.optional(),
  /** Of an undo: the run whose safety copy has these segments, as long as it is there and its bytes are the right ones. */
  copyOfRun: z.string().optional(),
  /** In place, where the config lets history go: the file of this segment will hold the state that all up to it give, in their place. */
  baseline: z
    .object({
      segment: segmentText,
      /** How much of the log is not replayed any more. */
      replacedBytes: sizeBytes,
      /** All of that was written before (Unix ms). */
      writtenBeforeMs: z.int(),
    })
    .optional(),
  /** Absolute; the database's own data directory, or another one. */
  dataDir: z.string(),
  inPlace: z.boolean(),
  /** What lies in the directory that is restored in place: it is part of what is approved. Absent elsewhere. */
  replaces: z.object({ data: z.object({ timeline: timelineId.nullable(), end: extent }).nullable() }).optional(),
});

export type RestorePlan = z.infer<typeof restorePlanSchema>;

/** Where a recovery ends, found once and replayed: the plan is made of it, however often that is asked for. */
export const recoveryPointSchema = z.object({
  format: z.literal(1),
  /** The backup whose log has the point. */
  label: z.string(),
  timeline: timelineId,
  /** A record's boundary: what lies behind it is left out, and all later segments. */
  end: extent,
  /** Of a sequence: the records before the point whose numbers are higher, which are recovered as well. */
  higher: z.object({ count, first: z.array(count) }).optional(),
  records: count,
  machines: count,
  instances: count,
  stateDigest: sha256Hex,
});

export type RecoveryPoint = z.infer<typeof recoveryPointSchema>;

/** One instance of a stored history, which is to be brought back into its server: all but what it holds. An object, hashed for approval. */
export const instancePlanSchema = z.object({
  format: z.literal(1),
  database: z.string(),
  repository: z.string(),
  /** The backup whose log has the point, and where that lies: what stands behind it doesn't count. */
  label: z.string(),
  timeline: timelineId,
  end: extent,
  instance: z.string(),
  machine: z.string(),
  version: count,
  /** Where the record begins that has created it. */
  createdAt: z.codec(
    z.string().refine((text) => parseWalOffset(text) !== undefined, 'must be an offset in decimal'),
    z.custom<WalOffset>((value) => typeof value === 'bigint'),
    { decode: (text) => parseWalOffset(text) as WalOffset, encode: walOffsetText },
  ),
  /** That it was created in. */
  initialState: z.string(),
  /** So many follow its creation. */
  events: count,
  /** At the point. */
  state: z.string(),
  ctxSha256: sha256Hex,
});

export type InstancePlan = z.infer<typeof instancePlanSchema>;

/** That a run has found the instance missing, and begins to bring it back: what it finds there later may be its own. */
export const replayBegunSchema = z.object({ format: z.literal(1), instance: z.string() });

export type ReplayBegun = z.infer<typeof replayBegunSchema>;

/** How far each segment reached when all were pinned: every record acknowledged before lies within. */
export const fenceSchema = z.object({
  format: z.literal(1),
  timeline: timelineId,
  pin: z.enum(['links', 'descriptors']),
  segments: z.array(extent),
});

export type Fence = z.infer<typeof fenceSchema>;

/** What a backup has stored: each segment up to the first record boundary at or past its fence. */
export const storedExtentsSchema = z.object({
  format: z.literal(1),
  segments: z.array(extent),
  warnings: z.array(z.object({ code: z.string(), message: z.string() })),
});

export type StoredExtents = z.infer<typeof storedExtentsSchema>;

const keys = z.array(z.string());

/** Which stored pieces a backup stores again, decided once: a retry must not put aside what it has stored meanwhile. */
export const healingSchema = z.object({
  format: z.literal(1),
  /** Damaged ones, to be put aside first. */
  damaged: keys,
  /** Promised by the backup before, and not there. */
  missing: keys,
  /** Damaged ones whose bytes the data directory no longer has. */
  lost: keys,
});

export type Healing = z.infer<typeof healingSchema>;
