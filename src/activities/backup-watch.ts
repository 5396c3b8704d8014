import type { EndedBackup } from '../contract/describe-database.ts';
import type { ScheduleFacts } from '../core/protection/verdict.ts';

/** What Temporal knows of how a database is backed up; the agent gives it a client. Fails: temporal-unreachable. */
export type BackupWatch = {
  /** Undefined where nothing starts backups of it under the id that rstow gives. @see backupScheduleId */
  schedule(database: string): Promise<ScheduleFacts | undefined>;
  lastEnded(database: string): Promise<EndedBackup | undefined>;
};
