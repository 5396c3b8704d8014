import { z } from 'zod';
import { SNAPSHOT_KINDS } from '../../core/backup/snapshot.ts';
import { TAKEN_FROM } from '../../core/import/taken-at.ts';
import { manifestSegment } from './manifest.ts';
import { count, extent, offsetText, segmentText, sha256Hex, sizeBytes, timelineId } from './parts.ts';

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
      ranges: z.array(z.object({ timeline: z.string(), startBytes: sizeBytes, endBytes: sizeBytes, sha256: sha256Hex, records: count })),
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
  /** In place, where the config lets history go, or of a rebase: the file of this segment will hold the state that all up to it give, in their place. */
  baseline: z
    .object({
      segment: segmentText,
      /** How much of the log is not replayed any more. */
      replacedBytes: sizeBytes,
      /** All of that was written before (Unix ms). */
      writtenBeforeMs: z.int(),
    })
    .optional(),
  /** Of a rebase: what clients write behind the planned end goes over into the restored log. */
  isRebase: z.boolean().optional(),
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
  /** The log up to the segment of the point, if the archive holds it beyond that backup. */
  segments: z.array(manifestSegment).optional(),
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
  /** As of a recovery to the point. */
  segments: z.array(manifestSegment).optional(),
  end: extent,
  instance: z.string(),
  machine: z.string(),
  version: count,
  /** Where the record begins that has created it. */
  createdAt: offsetText,
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

/** A snapshot of the volume: the bytes up to the fence are read there. */
const heldSnapshot = z.object({
  kind: z.enum(SNAPSHOT_KINDS),
  name: z.string(),
  /** The data directory, as the snapshot shows it. */
  dataDir: z.string(),
  takenAtMs: z.int(),
});

/** How far each segment reached when all were held: every record acknowledged before lies within. */
export const fenceSchema = z.object({
  format: z.literal(1),
  timeline: timelineId,
  /** How the segments are held in the data directory. */
  pin: z.enum(['links', 'descriptors']),
  snapshot: heldSnapshot.optional(),
  segments: z.array(extent),
});

export type Fence = z.infer<typeof fenceSchema>;

/** What a backup has stored: each segment up to the first record boundary at or past its fence. */
export const storedExtentsSchema = z.object({
  format: z.literal(1),
  segments: z.array(extent),
  warnings: z.array(z.object({ code: z.string(), message: z.string() })).optional(),
});

export type StoredExtents = z.infer<typeof storedExtentsSchema>;

const warnings = z.array(z.object({ code: z.string(), message: z.string() }));

/** What a running server showed has become a segment in the run's scratch folder: which one, and the log's first point behind it. */
export const rescuePlanSchema = z.object({
  format: z.literal(1),
  segment: segmentText,
  sizeBytes,
  soundFrom: offsetText,
  warnings,
});

export type RescuePlan = z.infer<typeof rescuePlanSchema>;

/** What an archive holds, read and judged before anything of it is stored: a retry finds the same. */
export const importedLogSchema = z.object({
  format: z.literal(1),
  fileName: z.string(),
  takenAtMs: z.int(),
  takenFrom: z.enum(TAKEN_FROM),
  segments: z.array(extent),
  /** Of all its whole records. */
  logSha256: sha256Hex,
  /** Of a log that rstow has begun anew. */
  baseline: z.object({ segment: segmentText, soundFrom: offsetText.optional() }).optional(),
  ownership: z.object({ uid: count, gid: count, folderMode: count, fileMode: count }),
  machines: count,
  instances: count,
  stateDigest: sha256Hex,
  warnings,
});

export type ImportedLog = z.infer<typeof importedLogSchema>;

/** Objects that a rotation of keys has stored anew and read back, so that a later step may delete the old ones; and those that it could not. */
export const rotatedObjectsSchema = z.object({
  format: z.literal(1),
  renewed: z.array(
    z.object({
      key: z.string(),
      renewedKey: z.string(),
      /** Of the new one, as it was read back. */
      storedBytes: sizeBytes,
      /** Only the sidecar of the old one was left. */
      isGone: z.boolean(),
    }),
  ),
  failed: z.array(z.object({ key: z.string(), code: z.string(), message: z.string() })),
  /** Behind which key the next ones begin. */
  next: z.string().optional(),
});

export type RotatedObjects = z.infer<typeof rotatedObjectsSchema>;

/** Which backups stay and which go, decided before anything is moved. */
export const expiryPlanSchema = z.object({
  format: z.literal(1),
  database: z.string(),
  repository: z.string(),
  plannedAtMs: z.int(),
  keep: z.array(z.object({ label: z.string(), why: z.array(z.string()) })),
  expire: z.array(z.object({ label: z.string(), why: z.string() })),
  newestRestorable: z.string().optional(),
});

export type StoredExpiryPlan = z.infer<typeof expiryPlanSchema>;

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
