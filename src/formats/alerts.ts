import { z } from 'zod';
import { SOURCES } from '../core/alerts/incident.ts';

const severity = z.enum(['warning', 'unknown', 'critical']);

const incident = z.strictObject({
  database: z.string(),
  code: z.string(),
  subject: z.string(),
  source: z.enum(SOURCES),
  severity,
  sentence: z.string(),
  hint: z.string().optional(),
  sinceMs: z.int(),
  notifiedAtMs: z.int().nullable(),
  looksFound: z.int(),
  looksMissed: z.int(),
  untilMs: z.int().optional(),
});

const change = z.strictObject({
  kind: z.enum(['new', 'worse', 'still', 'resolved']),
  code: z.string(),
  subject: z.string(),
  severity,
  sentence: z.string(),
  hint: z.string().optional(),
  sinceMs: z.int(),
});

const notice = z.strictObject({ id: z.string(), agent: z.string(), database: z.string(), atMs: z.int(), changes: z.array(change) });

/** `<database>/alerts.json`: what is wrong, as people were told, and what targets have not had yet. Times are Unix ms. */
export const alertStateSchema = z.strictObject({
  format: z.literal(1),
  incidents: z.array(incident),
  outbox: z.array(z.strictObject({ notice, targets: z.array(z.string()) })),
});

export type AlertState = z.infer<typeof alertStateSchema>;
