import type { CliCommand } from './command.ts';
import { adoptCommand } from './commands/adopt.ts';
import { agentCommand } from './commands/agent.ts';
import { alertsCommand } from './commands/alerts.ts';
import { archiveCommand } from './commands/archive.ts';
import { approveCommand, denyCommand } from './commands/approve.ts';
import { backupCommand, markCommand } from './commands/backup.ts';
import { checkCommand } from './commands/check.ts';
import { cancelCommand } from './commands/cancel.ts';
import { copyCommand } from './commands/copy.ts';
import { diffCommand } from './commands/diff.ts';
import { expireCommand, explainCommand } from './commands/expire.ts';
import { exportCommand } from './commands/export.ts';
import { extractCommand } from './commands/extract.ts';
import { guardCommand } from './commands/guard.ts';
import { holdCommand, releaseCommand } from './commands/hold.ts';
import { importCommand } from './commands/import.ts';
import { infoCommand } from './commands/info.ts';
import { historyCommand } from './commands/history.ts';
import { statusCommand } from './commands/status.ts';
import { keygenCommand } from './commands/keygen.ts';
import { listCommand } from './commands/list.ts';
import { logCommand } from './commands/log.ts';
import { rebaseCommand } from './commands/rebase.ts';
import { recoverCommand } from './commands/recover.ts';
import { renewInstallationCommand } from './commands/renew-installation.ts';
import { repairCommand } from './commands/repair.ts';
import { restoreCommand } from './commands/restore.ts';
import { rotateKeysCommand } from './commands/rotate-keys.ts';
import { runsCommand } from './commands/runs.ts';
import { scheduleCommand } from './commands/schedule.ts';
import { testRecoveryCommand } from './commands/test-recovery.ts';
import { undoCommand } from './commands/undo.ts';
import { upCommand } from './commands/up.ts';
import { verifyCommand } from './commands/verify.ts';
import { watchCommand } from './commands/watch.ts';

export type CommandGroup = { title: string; commands: readonly CliCommand[] };

/** All commands, as the help and docs/commands.md show them. */
export const COMMAND_GROUPS: readonly CommandGroup[] = [
  {
    title: 'Backups',
    commands: [
      backupCommand,
      markCommand,
      listCommand,
      statusCommand,
      historyCommand,
      infoCommand,
      checkCommand,
      alertsCommand,
      archiveCommand,
      copyCommand,
      verifyCommand,
      testRecoveryCommand,
      importCommand,
      exportCommand,
      rotateKeysCommand,
      expireCommand,
      explainCommand,
      holdCommand,
      releaseCommand,
    ],
  },
  { title: 'Recovery', commands: [restoreCommand, undoCommand, recoverCommand, rebaseCommand, repairCommand] },
  { title: 'History', commands: [logCommand, diffCommand, extractCommand] },
  { title: 'Runs', commands: [scheduleCommand, runsCommand, watchCommand, cancelCommand, approveCommand, denyCommand] },
  { title: 'Hosts', commands: [upCommand, agentCommand, guardCommand, adoptCommand, renewInstallationCommand, keygenCommand] },
];
