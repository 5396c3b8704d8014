/**
 * Every failure that rstow knows: whether trying again can help, the CLI's exit code, and what a
 * person does next, where `{database}` stands for the failure's detail of that name. A code is public: it is the
 * `type` of a workflow's failure.
 */
type ErrorRow = { retryable: boolean; exitCode: number; hint: string };

export const errorTable = {
  // 2: the request itself is wrong.
  'invalid-input': { retryable: false, exitCode: 2, hint: 'Correct it and start again. docs/workflows.md lists every field.' },
  'invalid-config': { retryable: false, exitCode: 2, hint: 'Correct the file. docs/configuration.md describes every key.' },
  'unknown-workflow': { retryable: false, exitCode: 2, hint: 'docs/workflows.md lists the workflow types.' },
  // 10: what was named does not exist.
  'backup-not-found': { retryable: false, exitCode: 10, hint: '`rstow list {database}` shows the labels.' },
  'instance-not-found': {
    retryable: false,
    exitCode: 10,
    hint: '`rstow log {database} --instance {instance}` lists its records.',
  },
  'mark-not-found': { retryable: false, exitCode: 10, hint: '`rstow info {database}` lists the marks.' },
  'point-not-found': {
    retryable: false,
    exitCode: 10,
    hint: 'Choose one of the points that the sentence names. `rstow backup {database}` stores what is newer.',
  },
  'nothing-to-undo': {
    retryable: false,
    exitCode: 10,
    hint: '`rstow info {database}` shows what restores have kept. `rstow restore {database} --backup LABEL` takes any backup.',
  },
  'unknown-database': { retryable: false, exitCode: 10, hint: 'Use a name that the agent’s config file has under databases.' },
  'unknown-repository': { retryable: false, exitCode: 10, hint: 'Use a name that the agent’s config file has under repositories.' },
  // 11: somebody else is at it.
  busy: {
    retryable: false,
    exitCode: 11,
    hint: 'Wait for it to end, or end it with `rstow cancel {holder}`. `rstow runs` shows which runs are open.',
  },
  'mark-taken': { retryable: false, exitCode: 11, hint: 'Choose another name. `rstow info {database}` lists the marks.' },
  'instance-exists': {
    retryable: false,
    exitCode: 11,
    hint: 'Nothing was changed: rstow overwrites no instance. `rstow extract {database} {instance}` prints it as it was. Delete the one that is there first if the older one is to take its place.',
  },
  'label-taken': { retryable: false, exitCode: 11, hint: 'Start the backup again: it gets a label of its own.' },
  // 13: bytes are not what they should be.
  'assertion-failed': {
    retryable: false,
    exitCode: 13,
    hint: 'The recovered data are not what you expected. Check the backup’s time and the assertion.',
  },
  'damaged-object': {
    retryable: false,
    exitCode: 13,
    hint: 'Restore another backup, or copy the object back from another copy of the repository.',
  },
  'digest-different': {
    retryable: false,
    exitCode: 13,
    hint: 'Don’t trust this state. Keep everything as it is, and compare the two digests.',
  },
  'missing-object': {
    retryable: false,
    exitCode: 13,
    hint: 'Copy the object back from another copy of the repository, or restore another backup.',
  },
  'source-damaged': {
    retryable: false,
    exitCode: 13,
    hint: 'Don’t restart the server: it may not start on this log. Follow “A damaged segment” in docs/recovery.md.',
  },
  'truncated-object': {
    retryable: false,
    exitCode: 13,
    hint: 'Check whether the repository’s disk is full or failing. Then restore another backup, or copy the object back.',
  },
  // 14: a pre-check refused, nothing was touched.
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
  // 15: history is missing.
  'wal-gap': {
    retryable: false,
    exitCode: 15,
    hint: 'Turn the server’s compaction off: it deletes log before a backup holds it. Restore a backup that `rstow list {database}` shows as restorable.',
  },
  // 16: somebody has to agree.
  'approval-denied': { retryable: false, exitCode: 16, hint: 'Nothing was changed. Ask again once it is agreed.' },
  'newer-data-discarded': {
    retryable: false,
    exitCode: 16,
    hint: 'Nothing was changed. Check what would be discarded. The sentence names the command that discards it.',
  },
  'approval-expired': { retryable: false, exitCode: 16, hint: 'Nothing was changed. Start again, and have it approved in time.' },
  'signature-refused': {
    retryable: false,
    exitCode: 16,
    hint: 'Nothing was changed. An operator has to sign: `rstow approve` with a key that the agent’s config lists (docs/security.md).',
  },
  // 17: something cannot be reached.
  'agent-unreachable': {
    retryable: false,
    exitCode: 17,
    hint: 'Start `rstow up` or `rstow agent` on the database’s host, or correct the name.',
  },
  'repository-unavailable': {
    retryable: true,
    exitCode: 17,
    hint: 'Check that the repository is mounted, and that the agent can read and write it.',
  },
  'temporal-unreachable': {
    retryable: true,
    exitCode: 17,
    hint: 'Start Temporal (`rstow up` runs one), or correct --address or TEMPORAL_ADDRESS. `rstow restore --without-temporal` restores without it.',
  },
  // 1: the run failed.
  bug: { retryable: false, exitCode: 1, hint: 'This is a fault of rstow. Please report it with the details.' },
  cancelled: { retryable: false, exitCode: 1, hint: 'Start it again if you still want it.' },
  'comparison-unfinished': {
    retryable: false,
    exitCode: 1,
    hint: 'The backup may be sound. Read in the server’s log why it stopped answering, then run `rstow test-recovery {database}`.',
  },
  failed: { retryable: true, exitCode: 1, hint: 'The run’s history shows the cause.' },
  'prepare-failed': { retryable: false, exitCode: 1, hint: 'Run that command of databases.{database}.prepare by hand on that host.' },
  'rehearsal-failed': {
    retryable: false,
    exitCode: 1,
    hint: 'A real server did not start on the restored files. The database was not touched.',
  },
  'replay-refused': {
    retryable: false,
    exitCode: 1,
    hint: 'The sentence says at which event, and what is there now. `rstow extract {database} {instance}` prints the instance as it was.',
  },
  'server-refused': { retryable: false, exitCode: 1, hint: 'Check the token file, and read the server’s own log.' },
  'server-unreachable': { retryable: true, exitCode: 1, hint: 'Start the database server, or correct its address in the config file.' },
  'service-start-failed': {
    retryable: false,
    exitCode: 1,
    hint: 'Read the server’s log. The failure says which data are in place.',
  },
  'service-stop-failed': {
    retryable: false,
    exitCode: 1,
    hint: 'The data were not touched. End the processes that use the data directory, or correct databases.{database}.service.',
  },
  'store-incomplete': { retryable: true, exitCode: 1, hint: 'Another run changed the repository. Start again.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** The code's row; the table's literal types are widened so that callers can compare. */
export function errorRow(code: ErrorCode): ErrorRow {
  return errorTable[code];
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorTable, text);
}

const OBJECT_DAMAGE: ReadonlySet<string> = new Set<ErrorCode>(['damaged-object', 'missing-object', 'truncated-object']);

/** Whether a failure's code says that an object of the repository is not what it has to be: gone, cut short, or other bytes. */
export function isObjectDamage(code: string | null | undefined): boolean {
  return OBJECT_DAMAGE.has(code ?? '');
}

const SAYS_NOTHING: ReadonlySet<string> = new Set<ErrorCode>(['server-program-missing', 'invalid-config', 'comparison-unfinished']);

/** Whether a failed recovery test is worth remembering: a setting that is missing was no test. */
export function isTestOutcome(code: string | null | undefined): boolean {
  return !SAYS_NOTHING.has(code ?? '');
}

/** Whether one object can't be used: it is damaged, or was written in a form that this version doesn't know. */
export function isUnreadable(code: string | null | undefined): boolean {
  return isObjectDamage(code) || code === 'format-unsupported';
}

/** Whether a failure is a verdict on a backup: one that could not be read, or not be booted, is not a bad one for that. */
export function isVerdictOnBackup(code: string | null | undefined): boolean {
  return isObjectDamage(code) || code === 'digest-different';
}
