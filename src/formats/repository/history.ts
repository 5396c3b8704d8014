import { z } from 'zod';
import { extent, segmentText, timelineId } from './parts.ts';

/** The identity of one WAL history. A child shares its parent's bytes up to the fork, and behind its baseline if it has one. */
export const timelineSchema = z.object({
  format: z.literal(1),
  timeline: timelineId,
  generation: z.int().min(1),
  parent: z.object({ timeline: timelineId, label: z.string(), extents: z.array(extent) }).nullable(),
  /** Its log begins with this segment, which was made: it holds the state that the parent's segments up to it give. */
  baseline: segmentText.optional(),
  why: z.enum(['first', 'restore']),
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
