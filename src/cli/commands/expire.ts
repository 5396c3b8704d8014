import { type ExpireBackupsInput, type ExpireBackupsResult, parseExpireBackupsInput } from '../../contract/expire-backups.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, countText, durationText, sizeText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions } from '../options.ts';
import { factLines, tableLines } from '../output.ts';

const EXPIRE_BACKUPS: RunKind<'expireBackups'> = { type: 'expireBackups', isQuery: false, isShared: true, resultLines: expireLines };

type ExpireOptions = RunOptions & InputOptions & { apply?: true; despiteClocks?: true };

export const expireCommand: CliCommand = {
  name: 'expire',
  description: 'show which backups go by the retention rules, and why the others stay; let them go with --apply',
  runs: [EXPIRE_BACKUPS],
  define: (command, { exit }) => {
    addRunOptions(command)
      .option('--apply', 'do it: manifests go to the trash, and a day later what they alone needed is deleted')
      .option('--despite-clocks', 'go by the order of the log where the clocks disagree with it')
      .action(async (database: string, options: ExpireOptions) => {
        const { apply, despiteClocks } = options;
        const input = parseExpireBackupsInput([{ ...commonInput(database, options), apply, despiteClocks }]);
        exit(await execute({ ...EXPIRE_BACKUPS, input, resultLines: (result) => expireLines(result, input) }, options));
      });
  },
};

type ExplainOptions = RunOptions & InputOptions;

export const explainCommand: CliCommand = {
  name: 'explain',
  description: 'say why a backup stays, or that it goes',
  define: (command, { exit }) => {
    addRunOptions(command)
      .argument('<label>', '"latest", or a label or its first characters')
      .action(async (database: string, backup: string, options: ExplainOptions) => {
        const input = parseExpireBackupsInput([{ ...commonInput(database, options), backup }]);
        exit(await execute({ ...EXPIRE_BACKUPS, input }, options));
      });
  },
};

/** `despiteClocks`: as it was asked for, where that is known. */
export function expireLines(result: ExpireBackupsResult, { despiteClocks }: Pick<ExpireBackupsInput, 'despiteClocks'> = {}): string[] {
  const { database, repository, explained } = result;
  const toDoIt = `\`rstow expire ${database} --repository ${repository}${despiteClocks === true ? ' --despite-clocks' : ''} --apply\``;
  return explained === undefined ? planLines(result, toDoIt) : explainedLines(explained, toDoIt);
}

function explainedLines({ label, keep, expire }: NonNullable<ExpireBackupsResult['explained']>, toDoIt: string): string[] {
  if (keep === undefined) return [`${label} goes at the next ${toDoIt}: ${expire ?? 'it is gone'}`];
  return [`${label} stays:`, ...keep.map((why) => `  ${why}`)];
}

function planLines(result: ExpireBackupsResult, toDoIt: string): string[] {
  const { applied, keep, expire, keepCount, expireCount, expired, removed } = result;
  const goes = applied ? 'Gone:' : 'Would go:';
  const rows = keep.map(({ label, why }) => [label, why.join('; ')]);
  return [
    ...(rows.length === 0 ? [] : ['Stays:', ...tableLines(['BACKUP', 'WHY'], rows)]),
    ...(expire.length === 0
      ? []
      : [
          goes,
          ...tableLines(
            ['BACKUP', 'WHY'],
            expire.map(({ label, why }) => [label, why]),
          ),
        ]),
    ...factLines([
      [
        'backups',
        `${countText(keepCount)} ${keepCount === 1 ? 'stays' : 'stay'}, ${countText(expireCount)} ${applied ? 'were to go' : 'would go'}`,
      ],
      [applied ? 'moved' : 'would move', `${countedText(applied ? expired : expireCount, 'manifest')} to the trash, for a day at least`],
      [applied ? 'deleted' : 'would delete', removedText(removed)],
      ['to do it', applied ? undefined : toDoIt],
      ['plan', result.planHash],
      ['took', durationText(result.durationMs)],
    ]),
  ];
}

/** What earlier runs have left to go. */
function removedText({ manifests, pieces, superseded, others, bytes }: ExpireBackupsResult['removed']): string {
  const replaced = superseded === 0 ? '' : `, ${superseded} of them merged into others`;
  return `${countedText(pieces, 'piece')}${replaced}, ${countedText(manifests, 'manifest')}, ${countedText(others, 'other object')}, ${sizeText(bytes)}`;
}
