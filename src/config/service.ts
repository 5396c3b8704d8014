import { z } from 'zod';
import { absolutePath, command, durationMs, environment } from './values.ts';

const processService = z
  .strictObject({
    kind: z.literal('process').describe('The agent starts the server as a process, and ends it by SIGINT.'),
    command: command.describe('What the server is started by.'),
    env: environment.default({}).describe('Its environment, beside the agent’s own.'),
    cwd: absolutePath.optional().describe('The folder in which it is started; that of the agent if absent.'),
    user: z
      .string()
      .regex(/^([a-z_][a-z0-9_.-]*|[0-9]+:[0-9]+)$/, 'must be a user’s name, or look like uid:gid')
      .optional()
      .meta({ unit: 'a name or `uid:gid`' })
      .describe('As whom an agent of root’s starts it; the agent’s own user if absent.'),
    stateDir: absolutePath.describe('Where the agent notes the process, and where its log is: `service.log`.'),
    stopTimeoutMs: durationMs.default(30_000).describe('How long the server may take after SIGINT until it gets SIGKILL.'),
  })
  .meta({
    sample: {
      kind: 'process',
      command: ['rstmdb'],
      env: { RSTMDB_CONFIG: '/etc/rstmdb/config.yaml' },
      stateDir: '/var/lib/rstow/orders',
    },
  });

const commandsService = z
  .strictObject({
    kind: z.literal('commands').describe('Commands start and stop the server, such as those of systemd.'),
    start: command.describe('Starts it, and ends once it is started.'),
    stop: command.describe('Stops it, and ends once it is stopped.'),
    status: command.describe('Exits 0 while the server runs.'),
    env: environment.default({}).describe('Their environment, beside the agent’s own.'),
    timeoutMs: durationMs.default(60_000).describe('How long each may take.'),
  })
  .meta({
    sample: {
      kind: 'commands',
      start: ['systemctl', 'start', 'rstmdb'],
      stop: ['systemctl', 'stop', 'rstmdb'],
      status: ['systemctl', 'is-active', '--quiet', 'rstmdb'],
    },
  });

const noService = z
  .strictObject({
    kind: z
      .literal('none')
      .describe('The agent can’t stop the server. Backups work, and so do restores into another directory; a restore in place is refused.'),
  })
  .meta({ sample: { kind: 'none' } });

export const serviceSection = z
  .discriminatedUnion('kind', [processService, commandsService, noService])
  .describe('How the server is stopped and started, for a restore in place and a recovery.');
