import { z } from 'zod';
import { absolutePath, address, command, durationMs, environment, name } from './values.ts';
import { approvalSection } from './authority.ts';
import { archiveSection } from './archive.ts';
import { guardSection } from './guard.ts';
import { importSection } from './import.ts';
import { checkSection } from './check.ts';
import { retentionSection } from './retention.ts';
import { rehearsalSection } from './rehearsal.ts';
import { schedulesSection } from './schedules.ts';
import { snapshotSection } from './snapshot.ts';

const tls = z
  .strictObject({
    caFile: absolutePath
      .optional()
      .describe('The authority that the server’s certificate is checked against; those that Node.js knows if absent.'),
    certFile: absolutePath.optional().describe('The agent’s own certificate, if the server asks for one.'),
    keyFile: absolutePath.optional().describe('The key of that certificate.'),
    serverName: z.string().min(1).optional().describe('The name that the server’s certificate must have; the address’s host if absent.'),
  })
  .describe('Speaks TLS to the server. Without this section the agent speaks plain TCP.')
  .meta({
    sample: {
      caFile: '/etc/rstow/ca.pem',
      certFile: '/etc/rstow/client.pem',
      keyFile: '/etc/rstow/client.key',
      serverName: 'db1.example.org',
    },
  });

const serverSection = z
  .strictObject({
    address: address.describe('Where the server answers.'),
    tokenFile: absolutePath.optional().describe('Holds the token that the server asks for.'),
    tls: tls.optional(),
    configFiles: z
      .array(absolutePath)
      .max(20)
      .default([])
      .meta({ unit: 'absolute paths' })
      .describe('The server’s config files, which each backup keeps without their secrets, for the day on which the host is lost.'),
  })
  .describe('The running server.')
  .meta({ sample: { address: '127.0.0.1:7401', tokenFile: '/etc/rstow/orders.token', configFiles: ['/etc/rstmdb/config.yaml'] } });

/** What rstow reads of an rstmdb server's own config file. @see rstmdb-server 0.3.0 src/config.rs */
export const serverConfigSchema = z.object({
  compaction: z.object({ enabled: z.boolean().optional() }).nullish(),
  storage: z.object({ fsync_policy: z.unknown(), allow_flush_all: z.boolean().optional() }).nullish().catch(undefined),
  metrics: z.object({ enabled: z.boolean().optional() }).nullish().catch(undefined),
});

export type ServerConfigFile = z.infer<typeof serverConfigSchema>;

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

const systemdService = z
  .strictObject({
    kind: z.literal('systemd').describe('The server is a unit of the host’s systemd.'),
    unit: z
      .string()
      .regex(/^[A-Za-z0-9:_.\\@-]{1,255}$/, 'must be the name of a unit, such as rstmdb.service')
      .meta({ unit: 'a unit’s name' })
      .describe('The unit, with `.service` or without.'),
    stopTimeoutMs: durationMs
      .default(30_000)
      .describe('How long the server may take after SIGINT until it gets SIGKILL, whatever the unit says of that.'),
  })
  .meta({ sample: { kind: 'systemd', unit: 'rstmdb.service' } });

const commandsService = z
  .strictObject({
    kind: z.literal('commands').describe('Commands start and stop the server, such as those of OpenRC.'),
    start: command.describe('Starts it, and ends once it is started.'),
    stop: command.describe('Stops it, and ends once it is stopped.'),
    status: command.describe('Exits 0 while the server runs.'),
    env: environment.default({}).describe('Their environment, beside the agent’s own.'),
    timeoutMs: durationMs.default(60_000).describe('How long each may take.'),
  })
  .meta({
    sample: {
      kind: 'commands',
      start: ['rc-service', 'rstmdb', 'start'],
      stop: ['rc-service', 'rstmdb', 'stop'],
      status: ['rc-service', 'rstmdb', 'status'],
    },
  });

const dockerService = z
  .strictObject({
    kind: z
      .literal('docker')
      .describe('The server is the first process of a container on this host. `dataDir` is the host’s path of its volume.'),
    engine: z.enum(['docker', 'podman']).default('docker').describe('Whose container it is; the agent’s user may run its commands.'),
    container: z
      .string()
      .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'must be a container’s name')
      .meta({ unit: 'a name or an id' })
      .describe('What it is called. One that a unit of systemd starts is of the kind `systemd`.'),
    stopTimeoutMs: durationMs.default(30_000).describe('How long the server may take after SIGINT until it gets SIGKILL.'),
    timeoutMs: durationMs.default(60_000).describe('How long each command of the engine may take besides.'),
  })
  .meta({ sample: { kind: 'docker', engine: 'docker', container: 'orders-database' } });

const noService = z
  .strictObject({
    kind: z
      .literal('none')
      .describe('The agent can’t stop the server. Backups work, and so do restores into another directory; a restore in place is refused.'),
  })
  .meta({ sample: { kind: 'none' } });

const REPOSITORIES_MAX = 10;

const DAYS_MAX = 36_500;

const restoreSection = z
  .strictObject({
    historyDays: z
      .int()
      .min(1)
      .max(DAYS_MAX)
      .optional()
      .meta({ unit: 'days' })
      .describe(
        'How much history a restore in place leaves in the server’s log: what was older at the restored point becomes one [baseline](architecture.md#baselines). The repository keeps all of it. Nothing is left out if absent.',
      ),
  })
  .describe('What a restore in place makes of the log, for a server that replays all of it at each start.')
  .meta({ sample: { historyDays: 90 } });

const serviceSection = z
  .discriminatedUnion('kind', [processService, systemdService, dockerService, commandsService, noService])
  .describe('How the server is stopped and started, for a restore in place and a recovery.');

export const databaseSection = z
  .strictObject({
    server: serverSection,
    dataDir: absolutePath.meta({ examples: ['/var/lib/rstmdb'] }).describe('The server’s data directory, on this host; it holds `wal/`.'),
    service: serviceSection.default({ kind: 'none' }),
    repositories: z
      .array(name)
      .min(1)
      .max(REPOSITORIES_MAX)
      .meta({ unit: 'names of [repositories](#repositoriesname)', examples: [['local']] })
      .describe(
        'Where its backups are kept, the nearest first. The first is the primary, which a run uses unless it names another. A backup is copied to all of them.',
      ),
    quorum: z
      .int()
      .min(1)
      .max(REPOSITORIES_MAX)
      .default(1)
      .meta({ unit: 'repositories' })
      .describe(
        'How many of them have to have a new backup until it counts as made. It goes into all of them; with fewer than these the run fails, and the backup stays where it is.',
      ),
    snapshot: snapshotSection.optional(),
    rehearsal: rehearsalSection.prefault({}),
    restore: restoreSection.prefault({}),
    archive: archiveSection.prefault({}),
    guard: guardSection.prefault({}),
    import: importSection.prefault({}),
    check: checkSection.prefault({}),
    schedules: schedulesSection.prefault({}),
    retention: retentionSection.prefault({}),
    maxDowntimeMs: durationMs.default(120_000).describe('How long a restore may keep the server down before a watchdog starts it.'),
    safetyCopyMs: durationMs.default(604_800_000).describe('How long a restore keeps the data that it replaced.'),
    standby: z.boolean().default(false).describe('Whether this host stands ready to take the database over.'),
    prepare: z
      .array(command)
      .max(20)
      .default([])
      .meta({ unit: 'commands' })
      .describe('Run in order, without a shell, before a disaster recovery’s data go in; each may run twice, even at once.'),
    approval: approvalSection.optional(),
    startTimeoutMs: durationMs.default(600_000).describe('How long the server may take to replay its log after a start.'),
  })
  .describe('One database, by the name that inputs call it.')
  .meta({
    sample: {
      server: { address: '127.0.0.1:7401' },
      dataDir: '/var/lib/rstmdb',
      repositories: ['local'],
    },
  });
