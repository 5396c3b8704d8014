import { type Command, Option } from 'commander';
import { parseDescribeDatabaseInput } from '../../contract/describe-database.ts';
import { parseHotBackupInput } from '../../contract/hot-backup.ts';
import { parseListBackupsInput } from '../../contract/list-backups.ts';
import { parseVerifyBackupInput } from '../../contract/verify-backup.ts';
import { CHECK_LEVELS } from '../../core/backup/standing.ts';
import type { RunOptions } from '../execute-run.ts';
import { backupLines } from '../results/backup-result.ts';
import { infoLines } from '../results/info-result.ts';
import { listLines } from '../results/list-result.ts';
import { verifyLines } from '../results/verify-result.ts';
import { execute, type InputOptions, type OnExitCode, recordOf, runCommand, wholeNumber } from './run-command.ts';

type BackupChoice = { backup?: string };

export function addBackupCommand(program: Command, exit: OnExitCode): void {
  runCommand(program, 'backup', 'back up a running server').action(async (database: string, options: RunOptions & InputOptions) => {
    const input = parseHotBackupInput([{ database, ...recordOf(options) }]);
    exit(await execute({ type: 'hotBackup', input, isQuery: false, resultLines: backupLines }, options));
  });
}

export function addVerifyCommand(program: Command, exit: OnExitCode): void {
  runCommand(program, 'verify', 'read a whole backup back and check it')
    .option('--backup <label>', '"latest", or a label or its first characters', 'latest')
    .addOption(new Option('--level <level>', 'how deep').choices(CHECK_LEVELS).default('replay'))
    .action(async (database: string, options: RunOptions & InputOptions & BackupChoice & { level: string }) => {
      const { backup, level } = options;
      const input = parseVerifyBackupInput([{ database, backup, level, ...recordOf(options) }]);
      exit(await execute({ type: 'verifyBackup', input, isQuery: false, resultLines: verifyLines }, options));
    });
}

export function addListCommand(program: Command, exit: OnExitCode): void {
  runCommand(program, 'list', 'list the backups of a database, newest first')
    .option('--limit <count>', 'show at most this many', wholeNumber)
    .action(async (database: string, options: RunOptions & InputOptions & { limit?: number }) => {
      const input = parseListBackupsInput([{ database, limit: options.limit, ...recordOf(options) }]);
      exit(await execute({ type: 'listBackups', input, isQuery: true, resultLines: listLines }, options));
    });
}

export function addInfoCommand(program: Command, exit: OnExitCode): void {
  runCommand(program, 'info', 'show how well a database is protected').action(
    async (database: string, options: RunOptions & InputOptions) => {
      const input = parseDescribeDatabaseInput([{ database, ...recordOf(options) }]);
      exit(await execute({ type: 'describeDatabase', input, isQuery: true, resultLines: infoLines }, options));
    },
  );
}
