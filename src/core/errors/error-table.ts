/**
 * Every failure that rstow knows: whether trying again can help, the CLI's exit code, and what a
 * person does next. A code is public: it is the `type` of a workflow's failure.
 */
type ErrorRow = { retryable: boolean; exitCode: number; hint: string };

export const errorTable = {
  // 2: the request itself is wrong.
  'invalid-input': { retryable: false, exitCode: 2, hint: 'Correct the named field and start again; docs/workflows.md lists every field.' },
  'invalid-config': { retryable: false, exitCode: 2, hint: 'Correct the named line; examples/rstow.yaml shows every setting.' },
  'unknown-workflow': { retryable: false, exitCode: 2, hint: 'docs/workflows.md lists the workflow types.' },
  // 10: what was named does not exist.
  'backup-not-found': { retryable: false, exitCode: 10, hint: '`rstow list <database>` shows the labels.' },
  'unknown-database': { retryable: false, exitCode: 10, hint: 'Name a database of the agent’s config file.' },
  'unknown-repository': { retryable: false, exitCode: 10, hint: 'Name a repository of the agent’s config file.' },
  // 11: somebody else is at it.
  busy: {
    retryable: false,
    exitCode: 11,
    hint: 'Wait for it to end, or end it with `rstow cancel {holder}`. `rstow runs` lists the open runs.',
  },
  // 13: bytes are not what they should be.
  'assertion-failed': {
    retryable: false,
    exitCode: 13,
    hint: 'The recovered data are not what you expected: look at the backup’s time and at the assertion.',
  },
  'damaged-object': { retryable: false, exitCode: 13, hint: 'Restore another backup, or copy the object back from another repository.' },
  'digest-different': { retryable: false, exitCode: 13, hint: 'Do not trust this state: keep everything and compare the named digests.' },
  'missing-object': {
    retryable: false,
    exitCode: 13,
    hint: 'Copy the named object back from another copy of the repository, or restore another backup.',
  },
  'source-damaged': {
    retryable: false,
    exitCode: 13,
    hint: 'The server may not start on this log again: don’t restart it before you have read “A damaged segment” in docs/recovery.md.',
  },
  'truncated-object': {
    retryable: false,
    exitCode: 13,
    hint: 'See whether the repository’s disk is full or failing, then restore another backup or copy the object back.',
  },
  // 14: a pre-check refused, nothing was touched.
  'agent-already-running': { retryable: false, exitCode: 14, hint: 'Stop the named process first; one agent per state directory.' },
  'agent-state-unsupported': { retryable: false, exitCode: 14, hint: 'Use a state directory on a local file system that rstow can write.' },
  'agent-version-unsupported': {
    retryable: false,
    exitCode: 14,
    hint: 'Run the same version of rstow on every host, restart the agents, then start the run again.',
  },
  'data-directory-foreign': {
    retryable: false,
    exitCode: 14,
    hint: 'Let databases.<db>.dataDir name the data directory of the server at server.address.',
  },
  'data-directory-missing': {
    retryable: false,
    exitCode: 14,
    hint: 'Mount or create the data directory, or correct databases.<db>.dataDir.',
  },
  'data-directory-replaced': { retryable: false, exitCode: 14, hint: 'Somebody replaced wal/ meanwhile: look before you start again.' },
  'data-directory-unsupported': { retryable: false, exitCode: 14, hint: 'Let wal/ be an ordinary folder inside the data directory.' },
  'format-unsupported': {
    retryable: false,
    exitCode: 14,
    hint: 'Upgrade rstow on this host to a version that reads the repository’s format.',
  },
  'not-enough-memory': { retryable: false, exitCode: 14, hint: 'Free memory, or set databases.<db>.rehearsal.policy to when-it-fits.' },
  'not-enough-space': { retryable: false, exitCode: 14, hint: 'Free the named number of bytes and start again.' },
  'owner-outdated': {
    retryable: false,
    exitCode: 14,
    hint: '`rstow info <database>` names the owner; on the host of the database’s server, `rstow adopt <database>` makes this installation the owner.',
  },
  'permission-denied': {
    retryable: false,
    exitCode: 14,
    hint: 'Run rstow as the user that runs the database server and owns its data directory, or as root.',
  },
  'port-taken': { retryable: false, exitCode: 14, hint: 'End the program that listens on the named port, or configure another port.' },
  'repository-unsupported': {
    retryable: false,
    exitCode: 14,
    hint: 'Use ordinary folders without symbolic links, on a file system that has hard links.',
  },
  'server-version-unsupported': { retryable: false, exitCode: 14, hint: 'Use a server version that docs/architecture.md lists.' },
  'service-unmanaged': { retryable: false, exitCode: 14, hint: 'Configure databases.<db>.service, or restore to another directory.' },
  'target-not-empty': { retryable: false, exitCode: 14, hint: 'Name a target that does not exist yet, or a directory that is empty.' },
  'temporal-cli-unsuitable': {
    retryable: false,
    exitCode: 14,
    hint: 'Install the Temporal CLI (https://docs.temporal.io/cli) on PATH, in the named version or a later one.',
  },
  'timeline-diverged': {
    retryable: false,
    exitCode: 14,
    hint: 'The data directory no longer continues this history; docs/architecture.md says what to do.',
  },
  // 15: history is missing.
  'wal-gap': {
    retryable: false,
    exitCode: 15,
    hint: 'Compaction deleted log that no backup holds: restore a backup that holds its whole log, and turn the server’s compaction off.',
  },
  // 16: somebody has to agree.
  'approval-denied': { retryable: false, exitCode: 16, hint: 'Nothing was touched. Ask for it again when it is agreed.' },
  'newer-data-discarded': {
    retryable: false,
    exitCode: 16,
    hint: 'Nothing was touched. Look at what is named; the command that discards it is in the sentence.',
  },
  'approval-expired': { retryable: false, exitCode: 16, hint: 'Nothing was touched. Start again, and have it approved in time.' },
  // 17: something cannot be reached.
  'agent-unreachable': { retryable: false, exitCode: 17, hint: 'Start `rstow agent` on the database’s host, or correct the name.' },
  'repository-unavailable': {
    retryable: true,
    exitCode: 17,
    hint: 'Check that the repository is mounted, writable and reachable from the agent.',
  },
  'temporal-unreachable': {
    retryable: true,
    exitCode: 17,
    hint: 'Check the address in the config file, TEMPORAL_ADDRESS, and that Temporal runs.',
  },
  // 1: the run failed.
  bug: { retryable: false, exitCode: 1, hint: 'This is a fault of rstow: please report it with the details.' },
  cancelled: { retryable: false, exitCode: 1, hint: 'The run was cancelled; start it again when you like.' },
  'comparison-unfinished': {
    retryable: false,
    exitCode: 1,
    hint: 'Nothing says that the backup is bad. See in the server’s log why it stopped answering, then run `rstow test-recovery <database>`.',
  },
  failed: { retryable: true, exitCode: 1, hint: 'See the cause in the run’s history.' },
  'prepare-failed': { retryable: false, exitCode: 1, hint: 'Run the named command of databases.<db>.prepare by hand on that host.' },
  'rehearsal-failed': {
    retryable: false,
    exitCode: 1,
    hint: 'A real server did not start on the restored files; the database was not touched.',
  },
  'server-refused': { retryable: false, exitCode: 1, hint: 'Check the token file and the server’s own log.' },
  'server-unreachable': { retryable: true, exitCode: 1, hint: 'Check that the database server runs at the configured address.' },
  'service-start-failed': {
    retryable: false,
    exitCode: 1,
    hint: 'See the server’s log; the data in place are named in the run’s details.',
  },
  'service-stop-failed': {
    retryable: false,
    exitCode: 1,
    hint: 'The data were not touched. End what still runs on the data directory, or correct databases.<db>.service, then start again.',
  },
  'store-incomplete': { retryable: true, exitCode: 1, hint: 'Another run changed the repository meanwhile; start again.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** The code's row; the table's literal types are widened so that callers can compare. */
export function errorRow(code: ErrorCode): ErrorRow {
  return errorTable[code];
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorTable, text);
}
