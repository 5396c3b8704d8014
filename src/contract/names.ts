/** Names that other services may rely on: queues, ids, search attributes, messages. */

/** Workflows of every type run here, on any agent. */
export const WORKFLOW_QUEUE = 'rstow';

/** Probes that any agent answers: where work that needs a repository and no host can go. */
export const ANY_QUEUE = 'rstow-any';

/** Only `locateDatabase`: polled by the agent that owns the database. */
export const databaseQueue = (database: string): string => `rstow-db-${database}`;

/** Only `locateStandby`: polled by agents that list the database with `standby: true`. */
export const standbyQueue = (database: string): string => `rstow-standby-${database}`;

/** Only `locateAgent`: polled by every agent of that name. */
export const agentQueue = (agent: string): string => `rstow-agent-${agent}`;

/**
 * An installation's kinds of slots, none of which waits for another: `steps` take moments; `archive` never end; the others move
 * gigabytes, for backups, for what only checks a backup, and for what brings a database back.
 */
export const SLOT_KINDS = ['steps', 'transfers', 'checks', 'recoveries', 'archive'] as const;
export type SlotKind = (typeof SLOT_KINDS)[number];

/**
 * Activities pinned to one installation: a rebuilt host of the same name doesn't poll it, and a renamed one goes on. The
 * contract is a part of it, so that no agent is sent a step of another contract, even if it was upgraded in mid-run.
 */
export const slotQueue = (installationId: string, kind: SlotKind): string => `rstow-${installationId}-${kind}-${CONTRACT_NUMBER}`;

/** Its run is the lock: Temporal lets one run of an id be open at a time. */
export const lockWorkflowId = (database: string): string => `rstow/lock/${database}`;

/** Requests for recovery meet under this id: many signals are one recovery. */
export const recoveryWorkflowId = (database: string): string => `rstow/recovery/${database}`;

/** What lets backups go, as a client starts it: one run of a database at a time. A schedule's run has an id of its own. */
export const expiryWorkflowId = (database: string): string => `rstow/expire/${database}`;

/** The continuous archive of a database: one run, whoever starts it. */
export const archiveWorkflowId = (database: string): string => `rstow/archive/${database}`;

export const runWorkflowId = (database: string, type: string, unique: string): string => `rstow/${database}/${type}/${unique}`;

export const SEARCH_ATTRIBUTES = {
  database: 'RstowDatabase',
  operation: 'RstowOperation',
  outcome: 'RstowOutcome',
} as const;

/**
 * Memo of a run that a schedule starts: for how many milliseconds it may wait for agent, server and repository. A schedule
 * sets its own interval; without it a run waits for a quarter of an hour.
 */
export const GIVE_UP_MEMO = 'rstowGiveUpMs';

/** Query: where the run is. Answered by a live worker only; heartbeats say it without one. */
export const PROGRESS_QUERY = 'progress';

/** Signal to the lock's run, by its holder, when the exclusive part has ended. */
export const RELEASE_SIGNAL = 'release';

/** Of the schedule that starts runs of one type on a database: from its config, or made by an operator. */
export const scheduleId = (database: string, type: string): string => `rstow-${database}-${type}`;

/** Of the schedule that backs a database up. */
export const backupScheduleId = (database: string): string => scheduleId(database, 'hotBackup');

/** Memo of a schedule that was made from a config, and is kept by it: its database. Any other is left alone. */
export const SCHEDULE_MEMO = 'rstowSchedule';

/** This rstow's version, as package.json has it. */
export const RSTOW_VERSION = '0.1.0';

/**
 * Counts the changes of what workflows and agents say to each other: the recipes, the verbs, their inputs and their
 * answers. Releases of one number replay each other's runs; a run of another number is left to agents of that number.
 */
export const CONTRACT_NUMBER = 6;

/** Of Temporal's worker versions, each of which is one contract. */
export const DEPLOYMENT_NAME = 'rstow';

const BUILD_ID_PREFIX = 'contract-';

export const buildIdOf = (contract: number): string => `${BUILD_ID_PREFIX}${contract}`;

/** Undefined where the build id is not one of rstow's. */
export function contractOf(buildId: string): number | undefined {
  const digits = buildId.startsWith(BUILD_ID_PREFIX) ? buildId.slice(BUILD_ID_PREFIX.length) : '';
  return /^[1-9][0-9]{0,8}$/.test(digits) ? Number(digits) : undefined;
}

/** Gives an open run to agents of another contract. */
export type MoveRun = (run: { workflowId: string; runId: string; contract: number }) => Promise<void>;
