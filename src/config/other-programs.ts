import { z } from 'zod';

/** What rstow reads of an rstmdb server's own config file. @see rstmdb-server 0.3.0 src/config.rs */
export const serverConfigSchema = z.object({ compaction: z.object({ enabled: z.boolean().optional() }).nullish() });

/** What Alertmanager posts, as far as rstow reads it. @see https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
export const alertmanagerWebhookSchema = z.object({
  alerts: z.array(z.object({ status: z.enum(['firing', 'resolved']), labels: z.record(z.string(), z.string()) })).max(10_000),
});

export type AlertmanagerWebhook = z.infer<typeof alertmanagerWebhookSchema>;
