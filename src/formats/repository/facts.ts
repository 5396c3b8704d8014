import { z } from 'zod';
import { CHECK_LEVELS } from '../../core/backup/checks.ts';
import { count } from './parts.ts';

/** A remembered verification: a fact of its day, never changed. */
export const verificationSchema = z.object({
  format: z.literal(1),
  label: z.string(),
  level: z.enum(CHECK_LEVELS),
  atMs: z.int(),
  runId: z.string(),
  held: z.boolean(),
  /** The failure's code and sentence where it did not hold, and the object that was damaged. */
  failure: z.object({ code: z.string(), sentence: z.string(), key: z.string().optional() }).optional(),
  /** No check, but that a backup has stored these objects again: what failed because of them stands no more. */
  repairedKeys: z.array(z.string()).optional(),
});

export type Verification = z.infer<typeof verificationSchema>;

/** A remembered recovery test: a fact of its day, never changed. */
export const recoveryTestSchema = z.object({
  format: z.literal(1),
  label: z.string(),
  /** The offset up to which the log was recovered, in decimal; absent where the test ended before it was known. */
  end: z.string().optional(),
  seed: count.optional(),
  atMs: z.int(),
  runId: z.string(),
  agent: z.string(),
  held: z.boolean(),
  assertionsHeld: count,
  rtoMs: count.optional(),
  failure: z.object({ code: z.string(), sentence: z.string(), key: z.string().optional() }).optional(),
});

export type RecoveryTest = z.infer<typeof recoveryTestSchema>;

/** A run that has ended, and who asked for it: Temporal forgets it sooner. @see RunRecord */
export const endedRunSchema = z.object({
  format: z.literal(1),
  runId: z.string(),
  workflowId: z.string(),
  type: z.string(),
  database: z.string(),
  who: z.string().optional(),
  why: z.string().optional(),
  isDryRun: z.boolean().optional(),
  isRelease: z.boolean().optional(),
  startedAtMs: z.int(),
  endedAtMs: z.int(),
  /** The outcome, or Temporal's own word for an end without one. */
  state: z.string(),
  failure: z.object({ code: z.string(), sentence: z.string() }).optional(),
  label: z.string().optional(),
});

export type EndedRun = z.infer<typeof endedRunSchema>;

/** A signature that was taken, and for which run: no other run can use it again. It is also the record of who agreed. */
export const usedSignatureSchema = z.object({
  format: z.literal(1),
  nonce: z.string(),
  operator: z.string(),
  purpose: z.enum(['start', 'approve']),
  workflowId: z.string(),
  firstRunId: z.string(),
  signedAtMs: z.int(),
  usedAtMs: z.int(),
});

export type UsedSignature = z.infer<typeof usedSignatureSchema>;
