import { z } from 'zod';
import { BACKUP_KINDS } from '../../core/backup/label.ts';
import { TAKEN_FROM } from '../../core/import/taken-at.ts';
import { count, segmentText, sha256Hex, sizeBytes, timelineId } from './parts.ts';

const range = z.object({
  timeline: timelineId,
  startBytes: sizeBytes,
  endBytes: sizeBytes,
  /** Of the plain WAL bytes. */
  sha256: sha256Hex,
  records: count,
});

/** A segment's ranges, in order and without a hole from byte 0. */
export const manifestSegment = z.object({ segment: segmentText, ranges: z.array(range) });

/** Something small that is kept beside the WAL, for rescue or for a new host: its plain bytes. The suffix of its stored form is no part of the name. */
const attachment = z.object({ name: z.string(), sizeBytes, sha256: sha256Hex });

/** The whole volume as its own tools stream it: the attachment of that name. */
const storedVolume = z.object({
  kind: z.literal('zfs'),
  name: z.string(),
  /** What it was sent from. */
  dataset: z.string(),
  snapshot: z.string(),
  /** Of the data directory, from the root of the dataset; empty if it is the root. */
  dataPath: z.string(),
  streamBytes: sizeBytes,
});

/** How many differ in one way, and the first of their names. */
const differing = z.object({ count, first: z.array(z.string()) });

/** How the state that the log gives differed from the one that the server showed. */
const comparison = z.object({
  kind: z.enum(['instances', 'counts']),
  shown: count,
  lacking: differing,
  outdated: differing,
  unshown: differing,
  older: differing.optional(),
});

/**
 * A backup. It names byte ranges, not objects, so that merging and re-encrypting pieces leave it
 * alone; it is written last, and makes the backup exist.
 */
export const manifestSchema = z.object({
  format: z.literal(1),
  label: z.string(),
  kind: z.enum(BACKUP_KINDS),
  database: z.string(),
  timeline: timelineId,
  runId: z.string(),
  workflowId: z.string(),
  /** When the backup began, by the orchestrator's clock; its label says the same. */
  createdAtMs: z.int(),
  /** By the clock of the agent that wrote this. */
  writtenAtMs: z.int(),
  serverVersion: z.string(),
  /** Numeric owner and modes of wal/, for a host that has lost them. */
  ownership: z.object({ uid: count, gid: count, folderMode: count, fileMode: count }),
  segments: z.array(manifestSegment),
  records: count,
  machines: count,
  instances: count,
  stateDigest: sha256Hex,
  /** What the run added to the repository's log. */
  bytesStored: sizeBytes,
  restorable: z.enum(['from-log', 'from-baseline', 'no']),
  /** Null where the server could not be asked. */
  comparison: comparison.nullable(),
  pin: z.enum(['links', 'descriptors', 'snapshot']),
  attachments: z.array(attachment),
  volume: storedVolume.optional(),
  warnings: z.array(z.object({ code: z.string(), message: z.string() })),
  /** Of an import: which archive, where it said when it was made, and a hash of its whole log, by which it is found again. */
  imported: z.object({ fileName: z.string(), takenFrom: z.enum(TAKEN_FROM), logSha256: sha256Hex }).optional(),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestSegment = Manifest['segments'][number];
export type ManifestRange = ManifestSegment['ranges'][number];
export type Attachment = Manifest['attachments'][number];
export type StoredVolume = z.infer<typeof storedVolume>;
