import { type BackupRow, type ListBackupsResult, parseListBackupsInput } from '../../contract/list-backups.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { ageText, countedText, countText, sizeText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions, wholeNumber } from '../options.ts';
import { tableLines } from '../output.ts';

const LIST_BACKUPS: RunKind<'listBackups'> = { type: 'listBackups', isQuery: true, resultLines: listLines };

export const listCommand: CliCommand = {
  name: 'list',
  description: 'list the backups of a database, newest first',
  run: LIST_BACKUPS,
  define: (command, { exit }) => {
    addRunOptions(command)
      .option('--limit <count>', 'show at most this many', wholeNumber)
      .action(async (database: string, options: RunOptions & InputOptions & { limit?: number }) => {
        const input = parseListBackupsInput([{ ...commonInput(database, options), limit: options.limit }]);
        exit(await execute({ ...LIST_BACKUPS, input }, options));
      });
  },
};

const HEAD = ['LABEL', 'AGE', 'LOG', 'ADDED', 'INSTANCES', 'VERIFIED'];

export function listLines({ backups, total, unreadable, database, repository }: ListBackupsResult): string[] {
  if (total === 0) return [`no backups of ${database} in ${repository}`];
  const abandoned = backups.filter(({ isInUse }) => !isInUse);
  const inUse = backups.filter(({ isInUse }) => isInUse);
  const hidden = total - backups.length - unreadable.length;
  return [
    ...(inUse.length === 0 ? [] : ['In use, the newest first:', ...tableLines(HEAD, inUse.map(cells))]),
    ...(abandoned.length === 0 ? [] : ['Abandoned by a restore or a recovery:', ...tableLines(HEAD, abandoned.map(cells))]),
    ...unreadable.map(({ label, code }) => `${label}  ${unreadableText(code)}`),
    ...(hidden > 0 ? [`and ${countedText(hidden, 'older backup')}`] : []),
  ];
}

function unreadableText(code: string): string {
  return code === 'format-unsupported' ? 'made by a newer rstow, which this one can’t read' : "its manifest can't be read";
}

function cells(row: BackupRow): string[] {
  const { label, createdAtMs, bytesStored, extents, instances } = row;
  return [label, ageText(createdAtMs), sizeText(extents.sizeBytes), sizeText(bytesStored), countText(instances), stateText(row)];
}

/** What is worst of it: then when it was checked is in `info` and in the JSON. */
function stateText({ restorable, verified, failed }: BackupRow): string {
  if (failed !== undefined) return `FAILED ${failed.code}`;
  if (restorable === 'no') return 'NOT RESTORABLE';
  return verified?.level ?? 'never';
}
