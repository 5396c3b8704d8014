import { type BackupRow, type ListBackupsResult, parseListBackupsInput } from '../../contract/list-backups.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { ageText, countedText, countText, sizeText, timeText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions, wholeNumber } from '../options.ts';
import { tableLines } from '../output.ts';

const LIST_BACKUPS: RunKind<'listBackups'> = { type: 'listBackups', isQuery: true, resultLines: listLines };

export const listCommand: CliCommand = {
  name: 'list',
  description: 'list the backups of a database, newest first',
  runs: [LIST_BACKUPS],
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

export function listLines({ backups, total, unreadable, database, repository, copiesWanted }: ListBackupsResult): string[] {
  if (total === 0) return [`no backups of ${database} in ${repository}`];
  const inUse = backups.filter(({ isInUse }) => isInUse);
  const imported = backups.filter(({ isInUse, kind }) => !isInUse && kind === 'import');
  const abandoned = backups.filter(({ isInUse, kind }) => !isInUse && kind !== 'import');
  const hidden = total - backups.length - unreadable.length;
  const lines = [
    ...titledTable('In use, the newest first:', inUse, copiesWanted),
    ...titledTable('Abandoned by a restore or a recovery:', abandoned, copiesWanted),
    ...titledTable('Imported from archives of other tools:', imported, copiesWanted),
  ];
  for (const { label, code } of unreadable) lines.push(`${label}  ${unreadableText(code)}`);
  if (hidden > 0) lines.push(`and ${countedText(hidden, 'older backup')}`);
  return lines;
}

function titledTable(title: string, rows: readonly BackupRow[], copiesWanted: number | undefined): string[] {
  if (rows.length === 0) return [];
  const hasHolds = rows.some(({ holds }) => holds !== undefined);
  const head = [...HEAD, ...(copiesWanted === undefined ? [] : ['COPIES']), ...(hasHolds ? ['HELD'] : [])];
  const withMore = rows.map((row) => [
    ...cells(row),
    ...(copiesWanted === undefined ? [] : [copiesText(row, copiesWanted)]),
    ...(hasHolds ? [heldText(row)] : []),
  ]);
  return [title, ...tableLines(head, withMore)];
}

/** By whom, and until when; the reasons are in `info` and in the JSON. */
function heldText({ holds = [] }: BackupRow): string {
  return holds.map(({ by, untilMs }) => `by ${by ?? 'somebody'}${untilMs === undefined ? '' : ` until ${timeText(untilMs)}`}`).join(', ');
}

/** How many repositories have it, and how many copies have failed their last check. */
function copiesText({ copies = [] }: BackupRow, wanted: number): string {
  const failed = copies.filter(({ failedAtMs }) => failedAtMs !== undefined).length;
  return `${copies.length}/${wanted}${failed === 0 ? '' : `, ${failed} FAILED`}`;
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
