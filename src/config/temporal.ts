import { z } from 'zod';
import { address, port } from './values.ts';

const embedded = z
  .strictObject({
    port: port.default(7233).describe('Where clients and agents reach it.'),
    uiPort: port.default(8233).describe('Of its web UI.'),
  })
  .describe('The Temporal server that `rstow up` runs on the loopback interface of this host, in place of `address`.')
  .meta({ sample: { port: 7233, uiPort: 8233 } });

export const temporalSection = z
  .strictObject({
    address: address
      .optional()
      .describe(
        'Of Temporal’s frontend; `TEMPORAL_ADDRESS`, then `temporal.toml` if absent. The commands on this host use it too, unless one of those or `--address` names another.',
      ),
    namespace: z.string().min(1).optional().describe('`TEMPORAL_NAMESPACE`, then `temporal.toml`, then `default` if absent.'),
    embedded: embedded.optional(),
  })
  .refine((section) => section.address === undefined || section.embedded === undefined, {
    path: ['embedded'],
    message: 'can’t be combined with temporal.address, which names another server',
    when: ({ value }) => typeof value === 'object' && value !== null,
  })
  .describe('Where the workflow engine is. Certificates and API keys are Temporal’s own settings: `TEMPORAL_TLS_…` and `temporal.toml`.')
  .meta({ sample: { address: '127.0.0.1:7233', namespace: 'default' } });
