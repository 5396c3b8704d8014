import { z } from 'zod';
import { absolutePath, address, name } from './values.ts';

const recoveryWebhook = z
  .strictObject({
    listen: address.describe('Where it listens, by plain HTTP: the loopback interface, or behind a proxy with TLS.'),
    tokenFile: absolutePath.describe(
      'Holds the token that callers prove themselves with; 0640 or stricter. It is read at every request, so it can be replaced at any time.',
    ),
  })
  .describe('Takes requests for recovery from Alertmanager or any other program ([integrations](integrations.md#from-alertmanager)).')
  .meta({ sample: { listen: '127.0.0.1:9095', tokenFile: '/etc/rstow/webhook.token' } });

export const agentSection = z
  .strictObject({
    name: name.optional().describe('What inputs call this host’s agent; the host’s name if absent.'),
    stateDir: absolutePath
      .default('/var/lib/rstow')
      .describe('What the agent keeps: its identity, checkpoints, notes of runs. On a local disk; one agent for each directory.'),
    recoveryWebhook: recoveryWebhook.optional(),
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
      .describe('An operator’s private key ([operators](security.md#operators)): the agent signs with it what its webhook takes.'),
  })
  .describe('The agent itself.')
  .meta({ sample: { name: 'db1', stateDir: '/var/lib/rstow', restoreRoots: ['/srv/restored'] } });

/** What Alertmanager posts, as far as rstow reads it. @see https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
export const alertmanagerWebhookSchema = z.object({
  alerts: z.array(z.object({ status: z.enum(['firing', 'resolved']), labels: z.record(z.string(), z.string()) })).max(10_000),
});

export type AlertmanagerWebhook = z.infer<typeof alertmanagerWebhookSchema>;
