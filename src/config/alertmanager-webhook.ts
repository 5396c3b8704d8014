import { z } from 'zod';

/** What Alertmanager posts, as far as rstow reads it. @see https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
export const alertmanagerWebhookSchema = z.object({
  alerts: z.array(z.object({ status: z.enum(['firing', 'resolved']), labels: z.record(z.string(), z.string()) })).max(10_000),
});

export type AlertmanagerWebhook = z.infer<typeof alertmanagerWebhookSchema>;
