import { z } from 'zod';
import { extent, offsetText, segmentText, timelineId } from './parts.ts';

/** That of a log of which nobody has said yet which history it is. */
export const FIRST_TIMELINE = '0001';

/** The identity of one WAL history. A child shares its parent's bytes up to the fork, and behind its baseline if it has one. */
export const timelineSchema = z.object({
  format: z.literal(1),
  timeline: timelineId,
  generation: z.int().min(1),
  /** `label`: the backup that it was begun from; a crash needs none. */
  parent: z.object({ timeline: timelineId, label: z.string().optional(), extents: z.array(extent) }).nullable(),
  /**
   * Its log begins with this segment, which was made: it holds the state that the parent's segments up to it give, or of a rescue what its
   * server showed.
   */
  baseline: segmentText.optional(),
  /** The first point of such a log, if it is not the baseline's end: a server that is read while clients write shows what is still to come. */
  soundFrom: offsetText.optional(),
  /**
   * `crash`: a crash of the host has taken records from the log that were stored already. `import`: it holds what an archive of other tools
   * held, and never was the database's own here.
   */
  why: z.enum(['first', 'restore', 'rescue', 'crash', 'import']),
  runId: z.string(),
  createdAtMs: z.int(),
});

export type Timeline = z.infer<typeof timelineSchema>;

/** Who may write a database's history; the highest generation counts. */
export const ownerSchema = z.object({
  format: z.literal(1),
  generation: z.int().min(1),
  agent: z.string().min(1),
  installationId: z.string().min(1),
  temporal: z.object({ clusterId: z.string(), namespace: z.string() }),
  timeline: timelineId,
  claimedAtMs: z.int(),
});

export type Owner = z.infer<typeof ownerSchema>;

/** `labels/<label>.json`: which run has taken the label; also what a name in `index/` holds. */
export const labelClaimSchema = z.object({ format: z.literal(1), runId: z.string() });

/** `holds/<label>.<runId>.json`: somebody wants the backup to stay. */
export const holdSchema = z.object({
  format: z.literal(1),
  label: z.string(),
  reason: z.string(),
  by: z.string().optional(),
  /** When it was asked for (Unix ms). */
  atMs: z.int(),
  /** Unix ms; absent: until it is released. */
  untilMs: z.int().optional(),
});

/** `marks/<name>.json`: a point that a person has given a name. It is the end of a backup, so it can be had at once. */
export const markSchema = z.object({
  format: z.literal(1),
  name: z.string(),
  timeline: timelineId,
  label: z.string(),
  runId: z.string(),
  /** When the backup began (Unix ms). */
  atMs: z.int(),
});

export type Mark = z.infer<typeof markSchema>;
