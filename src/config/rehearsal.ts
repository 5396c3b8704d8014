import { z } from 'zod';
import { absolutePath, command, durationMs, environment, port } from './values.ts';

const container = z
  .strictObject({
    engine: z.enum(['docker', 'podman']).describe('What runs it.'),
    image: z
      .string()
      .regex(/^[a-z0-9]/, 'must be the name of an image')
      .describe('An image whose rstmdb is of the server’s version.'),
    dataDir: absolutePath.default('/data').describe('Where the image’s server has its data, in the container.'),
    port: port.default(7401).describe('Where the image’s server listens, in the container.'),
    user: z
      .string()
      .regex(/^[a-z0-9_.-]+(:[a-z0-9_.-]+)?$/, 'must look like user or user:group')
      .optional()
      .meta({ unit: '`user` or `user:group`' })
      .describe('Whose the files are that the server writes; the agent’s own user if absent.'),
    memoryBytes: z
      .int()
      .min(16 * 1024 * 1024)
      .optional()
      .meta({ unit: 'bytes' })
      .describe('How much memory it may have; no limit if absent.'),
    options: z.array(z.string().min(1)).max(50).default([]).meta({ unit: 'a list' }).describe('More options of the engine’s `run`.'),
  })
  .describe('The second server runs in a container, in place of a command.')
  .meta({ sample: { engine: 'podman', image: 'registry.example/rstmdb:0.3.0', memoryBytes: 2_147_483_648 } });

/** How a second server is started, by a restore's rehearsal and by a recovery test. */
export const rehearsalSection = z
  .strictObject({
    policy: z
      .enum(['required', 'when-it-fits', 'off'])
      .default('required')
      .describe(
        'Whether a restore boots a real server on the fetched files before they replace the old ones: always, if the memory suffices, or never.',
      ),
    command: command.optional().describe('What the second server is started by; the process service’s command if absent.'),
    container: container.optional(),
    env: environment
      .optional()
      .describe('Its environment, beside the agent’s own; the process service’s if absent. A container has only these.'),
    cwd: absolutePath.optional().describe('The folder in which a command is started; that of the process service if absent.'),
    port: port.optional().describe('The loopback port that it listens on; any that is free if absent.'),
    startTimeoutMs: durationMs.default(600_000).describe('How long it may take to replay the log.'),
  })
  .refine((section) => section.command === undefined || section.container === undefined, {
    path: ['container'],
    message: 'can’t be combined with rehearsal.command',
    when: ({ value }) => typeof value === 'object' && value !== null,
  })
  .describe('How a second server is started, on other files and another port: by a restore’s rehearsal, and by a recovery test.')
  .meta({ sample: { policy: 'when-it-fits', port: 7402 } });
