import { z } from 'zod';

/** Reads the one YAML file of an agent. Paths are absolute; durations are milliseconds; secrets are paths of files. */
const name = z.string().regex(/^[a-z0-9-]{1,63}$/, 'must be 1 to 63 of a-z, 0-9 and -');
const absolutePath = z.string().startsWith('/', 'must be an absolute path');
const PORT_MAX = 65_535;
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):[0-9]{1,5}$/, { error: 'must look like host:port', abort: true })
  .refine((text) => isPort(Number(text.slice(text.lastIndexOf(':') + 1))), `must have a port from 1 to ${PORT_MAX}`)
  .meta({ examples: ['127.0.0.1:7401'] });
const durationMs = z
  .int()
  .min(0)
  .max(366 * 24 * 3600 * 1000);
const command = z
  .array(z.string().min(1))
  .min(1)
  .meta({ examples: [['/usr/local/bin/rstmdb']] });
const environment = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be letters, digits and _'), z.string());
const port = z.int().min(1).max(PORT_MAX);

const tls = z.strictObject({
  caFile: absolutePath.optional(),
  certFile: absolutePath.optional(),
  keyFile: absolutePath.optional(),
  serverName: z.string().min(1).optional(),
});

const server = z.strictObject({
  address,
  tokenFile: absolutePath.optional(),
  tls: tls.optional(),
  /** Config files of the server that a backup keeps, for the day on which the host is lost. */
  configFiles: z.array(absolutePath).max(20).default([]),
});

const service = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('process'),
    command,
    env: environment.default({}),
    /** Where it is started; the agent's own place where absent. */
    cwd: absolutePath.optional(),
    /** As whom an agent of root's starts it: a user's name, or `uid:gid`. Its own user where absent. */
    user: z
      .string()
      .regex(/^([a-z_][a-z0-9_.-]*|[0-9]+:[0-9]+)$/, 'must be a user’s name, or look like uid:gid')
      .optional(),
    stateDir: absolutePath,
    /** How long a server may take after SIGINT until it gets SIGKILL. */
    stopTimeoutMs: durationMs.default(30_000),
  }),
  z.strictObject({
    kind: z.literal('commands'),
    start: command,
    stop: command,
    /** Exits 0 while the server runs. */
    status: command,
    env: environment.default({}),
    timeoutMs: durationMs.default(60_000),
  }),
  z.strictObject({ kind: z.literal('none') }),
]);

const container = z.strictObject({
  engine: z.enum(['docker', 'podman']),
  image: z.string().regex(/^[a-z0-9]/, 'must be the name of an image'),
  /** Where the image's server has its data and where it listens, in the container. */
  dataDir: absolutePath.default('/data'),
  port: port.default(7401),
  /** Whose the files are that the server writes; the agent's own user where absent. */
  user: z
    .string()
    .regex(/^[a-z0-9_.-]+(:[a-z0-9_.-]+)?$/, 'must look like user or user:group')
    .optional(),
  memoryBytes: z
    .int()
    .min(16 * 1024 * 1024)
    .optional(),
  /** More options of the engine's `run`. */
  options: z.array(z.string().min(1)).max(50).default([]),
});

/** How a second server is started, by a restore's rehearsal and by a recovery test. */
const rehearsal = z
  .strictObject({
    policy: z.enum(['required', 'when-it-fits', 'off']).default('required'),
    /** The process service's where absent. */
    command: command.optional(),
    /** In place of a command. */
    container: container.optional(),
    /** The process service's where absent; a container has only these. */
    env: environment.optional(),
    /** Where a command is started; the process service's where absent. */
    cwd: absolutePath.optional(),
    /** The loopback port that it listens on; any that is free where absent. */
    port: port.optional(),
    /** How long a server may take to replay the log. */
    startTimeoutMs: durationMs.default(600_000),
  })
  .refine((section) => section.command === undefined || section.container === undefined, {
    path: ['container'],
    message: 'can’t be combined with rehearsal.command',
  });

const database = z.strictObject({
  server,
  dataDir: absolutePath.meta({ examples: ['/var/lib/rstmdb'] }),
  service: service.default({ kind: 'none' }),
  /** The first is the primary. */
  repositories: z
    .array(name)
    .min(1)
    .max(10)
    .meta({ examples: [['local']] }),
  rehearsal: rehearsal.prefault({}),
  /** How long a restore may keep the server down before a watchdog starts it. */
  maxDowntimeMs: durationMs.default(120_000),
  /** How long a restore keeps the data that it replaced. */
  safetyCopyMs: durationMs.default(604_800_000),
  /** Whether this host stands ready to take the database over. */
  standby: z.boolean().default(false),
  /** Run in order, without a shell, before a disaster recovery's data go in; each may run twice, even at once. */
  prepare: z.array(command).max(20).default([]),
  /** Which workflows wait for another person's agreement, and for how long. */
  approval: z
    .strictObject({
      for: z.array(z.enum(['restore', 'disasterRecovery'])),
      expiresMs: durationMs.default(86_400_000),
    })
    .optional(),
  /** How long a server may take to replay its log after a start. */
  startTimeoutMs: durationMs.default(600_000),
});

const repository = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('folder'), path: absolutePath.meta({ examples: ['/mnt/backup/rstmdb'] }) }),
]);

/** Of the Temporal server that `rstow up` runs on the loopback interface. */
const embedded = z.strictObject({ port: port.default(7233), uiPort: port.default(8233) });

const temporal = z
  .strictObject({ address: address.optional(), namespace: z.string().min(1).optional(), embedded: embedded.optional() })
  .refine((section) => section.address === undefined || section.embedded === undefined, {
    path: ['embedded'],
    message: 'can’t be combined with temporal.address, which names another server',
  });

/** Short in tests; the defaults suit production. */
const timing = z.strictObject({
  /** Silence of an activity after which its agent counts as dead. */
  heartbeatMs: durationMs.default(30_000),
  retryInitialMs: durationMs.default(1_000),
  retryMaxMs: durationMs.default(30_000),
  /** How long a transfer is tried while the repository or the network is away. */
  transferGiveUpMs: durationMs.default(86_400_000),
  /** How long a step that isn't a transfer may take, with an agent that dies and comes back meanwhile. */
  stepGiveUpMs: durationMs.default(600_000),
  /** How long a step is tried again after its first failure, before a person is told; a run of a schedule goes on trying. */
  patienceMs: durationMs.default(10_000),
  /** How long an agent may take to answer before it counts as down. */
  probeMs: durationMs.default(4_000),
  /** How long a run's clean-up waits for an agent that died; later the agent's housekeeping does it. */
  cleanupGiveUpMs: durationMs.default(600_000),
  /** How long no agent of a run's own contract may answer before the run is ended by an agent of another one. */
  contractGoneMs: durationMs.default(180_000),
  /** How long it may take until an agent finds out that another installation has become a database's owner. */
  ownerPollMs: durationMs.default(60_000),
  /** How long an incomplete record at the log's end may stay unchanged before it counts as damage. */
  tornTailMs: durationMs.default(10_000),
  serverRequestMs: durationMs.default(30_000),
  /** Silence of a repository after which it hangs: one call's, and four times as long where a disk has to write. */
  repositoryAnswerMs: durationMs.default(15_000),
});

/** Where alerts ask for recoveries: off unless it is there. The file holds what callers prove themselves with. */
const recoveryWebhook = z.strictObject({ listen: address, tokenFile: absolutePath });

const agent = z.strictObject({
  name: name.optional(),
  stateDir: absolutePath.default('/var/lib/rstow'),
  recoveryWebhook: recoveryWebhook.optional(),
  /** Below these a restore may fill another directory; the data directories' own folders and /var/tmp where absent. */
  restoreRoots: z.array(absolutePath).max(20).optional(),
  /** A private key: what the webhook takes is signed with it. */
  operatorKeyFile: absolutePath.optional(),
});

/** Of the key that `rstow up` makes. */
export const OWN_OPERATOR = 'this-host';

/** One line, as in authorized_keys; the first half of the text is the same for every Ed25519 key. */
const publicKey = z
  .string()
  .regex(
    /^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}(\s.*)?$/,
    'must be a public key, such as `rstow keygen` prints: ssh-ed25519 AAAA…',
  );

const operators = z
  .record(name, publicKey)
  .refine((section) => Object.keys(section).length > 0, 'must name at least one operator, for nobody could replace data')
  .refine((section) => section[OWN_OPERATOR] === undefined, `must not name "${OWN_OPERATOR}", the key that \`rstow up\` makes`);

export const agentConfigSchema = z.strictObject({
  agent: agent.prefault({}),
  /** Who may replace a database's data, by public key; anyone who can start a workflow where absent. */
  operators: operators.optional(),
  /** Where absent, TEMPORAL_* variables and temporal.toml decide. */
  temporal: temporal.prefault({}),
  repositories: z.record(name, repository),
  databases: z.record(name, database),
  timing: timing.prefault({}),
});

export type AgentConfig = z.infer<typeof agentConfigSchema>;
export type DatabaseConfig = AgentConfig['databases'][string];
export type RepositoryConfig = AgentConfig['repositories'][string];
export type ServerConfig = DatabaseConfig['server'];
export type RecoveryWebhookConfig = z.infer<typeof recoveryWebhook>;
export type EmbeddedTemporalConfig = z.infer<typeof embedded>;
export type TimingConfig = AgentConfig['timing'];

function isPort(number: number): boolean {
  return number >= 1 && number <= PORT_MAX;
}
