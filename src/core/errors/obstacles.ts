/** `hint`: what a person does next, where `{database}` stands for the failure's detail of that name. */
export type ErrorRow = { retryable: boolean; exitCode: number; hint: string };

/** Failures of the table by which a pre-check refuses, exit code 14: nothing was touched. */
export const obstacles = {
  'archive-locked': {
    retryable: false,
    exitCode: 14,
    hint: 'Name the key’s file under databases.{database}.import in the agent’s config (docs/configuration.md), and install age or gpg on its host.',
  },
  'archive-refused': {
    retryable: false,
    exitCode: 14,
    hint: 'Nothing was stored: no script makes such an archive of a data directory. Find out who made it.',
  },
  'archive-unsupported': {
    retryable: false,
    exitCode: 14,
    hint: 'Give it a tar archive of one data directory, plain or compressed by gzip or zstd (docs/workflows.md).',
  },
  'clock-doubtful': {
    retryable: false,
    exitCode: 14,
    hint: 'Nothing was removed. Correct the clock that is wrong. If all are right now, and one was ahead only when that backup was made or that run ended, run `rstow expire {database} --despite-clocks`, and until that time give a schedule of expireBackups the input `despiteClocks: true`: the order is that of the log, and no backup counts as older than what it was built upon.',
  },
  'encryption-unsupported': {
    retryable: false,
    exitCode: 14,
    hint: 'Install GnuPG on that host, and see that the folder under repositories.{repository}.encryption.home holds the keys of its recipients (docs/configuration.md).',
  },
  'file-exists': { retryable: false, exitCode: 14, hint: 'Name a file that does not exist yet.' },
  'file-not-allowed': {
    retryable: false,
    exitCode: 14,
    hint: 'Name an ordinary file in a folder below one of the archive roots, or add a root to agent.archiveRoots (docs/security.md).',
  },
  'agent-already-running': { retryable: false, exitCode: 14, hint: 'Stop that process first. A state directory serves one agent.' },
  'agent-state-unsupported': { retryable: false, exitCode: 14, hint: 'Use a state directory on a local file system that rstow can write.' },
  'agent-version-unsupported': {
    retryable: false,
    exitCode: 14,
    hint: 'Run the same version of rstow on every host, restart the agents, then start the run again.',
  },
  'data-directory-foreign': {
    retryable: false,
    exitCode: 14,
    hint: 'Set databases.{database}.dataDir to the data directory of the server at server.address.',
  },
  'data-directory-missing': {
    retryable: false,
    exitCode: 14,
    hint: 'Mount or create the data directory, or correct databases.{database}.dataDir.',
  },
  'data-directory-replaced': {
    retryable: false,
    exitCode: 14,
    hint: 'Somebody else changed wal/. Check what is in place before you start again.',
  },
  'data-directory-unsupported': { retryable: false, exitCode: 14, hint: 'Make wal/ an ordinary folder inside the data directory.' },
  'format-unsupported': {
    retryable: false,
    exitCode: 14,
    hint: 'Upgrade rstow on this host to a version that reads this format.',
  },
  'instance-not-replayable': {
    retryable: false,
    exitCode: 14,
    hint: 'Nothing was changed. `rstow extract {database} {instance}` prints it as it was; `rstow restore --to-dir` restores the whole state beside the database.',
  },
  'not-enough-memory': {
    retryable: false,
    exitCode: 14,
    hint: 'Free memory, or set databases.{database}.rehearsal.policy to when-it-fits.',
  },
  'not-enough-space': { retryable: false, exitCode: 14, hint: 'Free that much space, or name another directory, and start again.' },
  'object-too-large': {
    retryable: false,
    exitCode: 14,
    hint: 'The history has too many small pieces for one manifest. Begin a new repository, as docs/recovery.md says, and back up less often.',
  },
  'open-files-exhausted': {
    retryable: false,
    exitCode: 14,
    hint: 'Raise the agent’s limit of open files: `LimitNOFILE=65536` in its systemd unit, or `ulimit -n 65536` in the shell that starts it.',
  },
  'restart-unsafe': {
    retryable: false,
    exitCode: 14,
    hint: 'Nothing was stopped. `rstow check {database}` says what a restart would lose, and what makes one safe.',
  },
  'guard-off': {
    retryable: false,
    exitCode: 14,
    hint: 'Nothing was changed. Set databases.{database}.guard.enabled, and see what `rstow guard {database}` says; or back up without `compact`.',
  },
  'compaction-too-costly': {
    retryable: false,
    exitCode: 14,
    hint: 'Nothing was changed. Back up without `compact`: a backup needs none. `rstow rebase {database}` makes a log short at less cost.',
  },
  'installation-cloned': {
    retryable: false,
    exitCode: 14,
    hint: 'If this is to be a host of its own: `rstow renew-installation`, then `rstow adopt {database}` for a database that it is to own.',
  },
  'owner-outdated': {
    retryable: false,
    exitCode: 14,
    hint: '`rstow info {database}` names the owner. `rstow adopt {database}`, on the host of the database’s server, makes that host the owner.',
  },
  'permission-denied': {
    retryable: false,
    exitCode: 14,
    hint: 'Run rstow as the user that runs the database server and owns its data directory, or as root.',
  },
  'port-taken': { retryable: false, exitCode: 14, hint: 'Stop the program that listens on that port, or configure another port.' },
  'repository-unsupported': {
    retryable: false,
    exitCode: 14,
    hint: 'Use ordinary folders without symbolic links, on a file system that has hard links.',
  },
  'server-program-missing': {
    retryable: false,
    exitCode: 14,
    hint: 'Add `rehearsal: { command: [/path/to/rstmdb] }` or `rehearsal: { container: { engine: podman, image: NAME } }` to databases.{database} in the agent’s config file.',
  },
  'server-version-unsupported': { retryable: false, exitCode: 14, hint: 'Use a server version that docs/architecture.md names.' },
  'service-unmanaged': {
    retryable: false,
    exitCode: 14,
    hint: 'Configure databases.{database}.service, or restore into another directory with --to-dir.',
  },
  'snapshot-unsupported': {
    retryable: false,
    exitCode: 14,
    hint: 'Nothing was changed. Set databases.{database}.snapshot as docs/configuration.md says; or run `rstow backup {database}`, which needs no snapshot.',
  },
  'target-not-allowed': {
    retryable: false,
    exitCode: 14,
    hint: 'Restore into a new folder below one of the restore roots, or add one to agent.restoreRoots (docs/security.md).',
  },
  'target-not-empty': { retryable: false, exitCode: 14, hint: 'Name a directory that is empty or does not exist yet.' },
  'temporal-cli-unsuitable': {
    retryable: false,
    exitCode: 14,
    hint: 'Install the Temporal CLI (https://docs.temporal.io/cli) on PATH, in that version or a later one.',
  },
  'timeline-diverged': {
    retryable: false,
    exitCode: 14,
    hint: 'The data directory does not continue the history of its backups. Follow “The log and the backups don’t fit” in docs/recovery.md.',
  },
} as const satisfies Record<string, ErrorRow>;
