import { z } from 'zod';
import { absolutePath, address, name } from './values.ts';

const http = z
  .strictObject({
    listen: address
      .default('127.0.0.1:9095')
      .describe(
        'Where it listens, by plain HTTP: the loopback interface, or behind a proxy with TLS. What it answers without a token holds no secret.',
      ),
    recoveryTokenFile: absolutePath
      .optional()
      .describe(
        'Holds the token that callers of `/recovery` prove themselves with ([integrations](integrations.md#from-alertmanager)); 0640 or stricter. It is read at every request, so it can be replaced at any time. Without it there is no `/recovery`.',
      ),
  })
  .describe('The agent’s HTTP server: `/metrics` and `/healthz` ([monitoring](monitoring.md)), and requests for recovery. None if absent.')
  .meta({ sample: { listen: '127.0.0.1:9095', recoveryTokenFile: '/etc/rstow/webhook.token' } });

export const agentSection = z
  .strictObject({
    name: name.optional().describe('What inputs call this host’s agent; the host’s name if absent.'),
    stateDir: absolutePath
      .default('/var/lib/rstow')
      .describe('What the agent keeps: its identity, checkpoints, notes of runs. On a local disk; one agent for each directory.'),
    http: http.optional(),
    restoreRoots: z
      .array(absolutePath)
      .max(20)
      .optional()
      .meta({ unit: 'absolute paths' })
      .describe('Below these a restore may fill another directory; the folders that hold the data directories, and `/var/tmp`, if absent.'),
    archiveRoots: z
      .array(absolutePath)
      .max(20)
      .optional()
      .meta({ unit: 'absolute paths' })
      .describe(
        'Below these lie the archives that an import reads and an export writes; `/backup`, `/var/tmp` and the folders that hold the data directories if absent.',
      ),
    operatorKeyFile: absolutePath
      .optional()
      .describe('An operator’s private key ([operators](security.md#operators)): the agent signs with it what `/recovery` takes.'),
  })
  .describe('The agent itself.')
  .meta({ sample: { name: 'db1', stateDir: '/var/lib/rstow', restoreRoots: ['/srv/restored'] } });

/** What Alertmanager posts, as far as rstow reads it. @see https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
export const alertmanagerWebhookSchema = z.object({
  alerts: z.array(z.object({ status: z.enum(['firing', 'resolved']), labels: z.record(z.string(), z.string()) })).max(10_000),
});

export type AlertmanagerWebhook = z.infer<typeof alertmanagerWebhookSchema>;
