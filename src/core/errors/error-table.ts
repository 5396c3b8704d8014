import { type ErrorRow, obstacles } from './obstacles.ts';

/**
 * Every failure that rstow knows: whether trying again can help, the CLI's exit code, and what a
 * person does next, where `{database}` stands for the failure's detail of that name. A code is public: it is the
 * `type` of a workflow's failure.
 */
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
  // 12: what is there can't be opened here.
  'wrong-key': {
    retryable: false,
    exitCode: 12,
    hint: 'Nothing was changed. Run it on a host that has a key of that set, or bring the file to this one and name it under repositories.{repository}.encryption in the agent’s config, and restart the agent (docs/configuration.md).',
  },
  // 13: bytes are not what they should be.
  'archive-damaged': {
    retryable: false,
    exitCode: 13,
    hint: 'Nothing was stored. Try another archive, or another copy of this one.',
  },
  'archive-empty': {
    retryable: false,
    exitCode: 13,
    hint: 'Nothing was stored: there is nothing in it that a server could start from. Try another archive.',
  },
  'archive-truncated': {
    retryable: false,
    exitCode: 13,
    hint: 'Nothing was stored. Try another copy of the archive, or one made before or after it.',
  },
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
  'untrusted-object': {
    retryable: false,
    exitCode: 13,
    hint: 'Somebody else has written it, or put it there from elsewhere. If it is a host’s of yours, add the host’s line (`rstow keygen --agent`, run there) to the repository’s signers in this agent’s config. Else restore another backup, and find out who writes to the repository.',
  },
  ...obstacles,
  // 15: history is missing.
  'archive-hollow': {
    retryable: false,
    exitCode: 15,
    hint: 'Nothing was stored. Try an older archive, made before that COMPACT. `rstow backup {database}` makes backups that hold all of the log.',
  },
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
  'quorum-not-reached': {
    retryable: false,
    exitCode: 17,
    hint: 'The backup is there, in fewer repositories than were wanted. `rstow copy {database}` fills the others once they are back.',
  },
  'repository-unavailable': {
    retryable: true,
    exitCode: 17,
    hint: 'Check that its folder is mounted, or its server runs, and that the agent may read and write it.',
  },
  'alert-not-delivered': {
    retryable: true,
    exitCode: 17,
    hint: 'Mend the target, or its section under alerts.targets of the agent’s config. `rstow alerts test` says whether it works; the agent tries each alert again until it is delivered.',
  },
  'temporal-unreachable': {
    retryable: true,
    exitCode: 17,
    hint: 'Start Temporal (`rstow up` runs one), or correct --address, TEMPORAL_ADDRESS or temporal.address of the config file. `rstow restore --without-temporal` restores without it.',
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
  'snapshot-overflowed': {
    retryable: false,
    exitCode: 1,
    hint: 'No backup was made of it. Give it more room, with databases.{database}.snapshot.sizeBytes or originPercent, or take it while less is written.',
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

const WRONG_REQUEST_EXIT_CODES: readonly number[] = [2, 10, 11, 16];

/** Whether it was the request that was wrong: malformed, of something that doesn't exist, while another was at work, or not approved. */
export function isWrongRequest(code: string): boolean {
  return isErrorCode(code) && WRONG_REQUEST_EXIT_CODES.includes(errorRow(code).exitCode);
}

const OBJECT_DAMAGE: ReadonlySet<string> = new Set<ErrorCode>(['damaged-object', 'missing-object', 'truncated-object', 'untrusted-object']);

/** Whether a failure's code says that an object of the repository is not what it has to be: gone, cut short, other bytes, or another's. */
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

/** Whether no key of this host opens what would have to be read: another host may have one. */
export function isLocked(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === ('wrong-key' satisfies ErrorCode);
}

/** Whether a failure is a verdict on a backup: one that could not be read, or not be booted, is not a bad one for that. */
export function isVerdictOnBackup(code: string | null | undefined): boolean {
  return isObjectDamage(code) || code === 'digest-different';
}

const REPOSITORY_FAULTS: ReadonlySet<string> = new Set<ErrorCode>([
  'repository-unavailable',
  'repository-unsupported',
  'format-unsupported',
  'not-enough-space',
  'wrong-key',
  'encryption-unsupported',
]);

/** Whether one repository, or an object of it, is out of order, which makes the others no worse. */
export function isFaultOfRepository(code: string | null | undefined): boolean {
  return REPOSITORY_FAULTS.has(code ?? '') || isObjectDamage(code);
}
