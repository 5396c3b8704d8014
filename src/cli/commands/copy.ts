import { type CopyBackupsResult, parseCopyBackupsInput } from '../../contract/copy-backups.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, durationText, sizeText } from '../figures.ts';
import { addDatabaseOptions, execute, positiveNumber, requester } from '../options.ts';
import { type Fact, factLines } from '../output.ts';

const COPY_BACKUPS: RunKind<'copyBackups'> = { type: 'copyBackups', isQuery: false, resultLines: copyLines };

type CopyOptions = RunOptions & { reason?: string; from?: string; to?: string[]; backup?: string; bandwidth?: number };

export const copyCommand: CliCommand = {
  name: 'copy',
  description: 'give each repository what another one has and it lacks',
  runs: [COPY_BACKUPS],
  define: (command, { exit }) => {
    addDatabaseOptions(command)
      .option('--from <name>', 'the repository to copy from (default: the first that has the object whole)')
      .option('--to <name...>', 'the repositories to fill (default: all of the database’s)')
      .option('--backup <label>', 'only this one, also where it has expired: "latest", or a label or its first characters')
      .option('--bandwidth <bytes>', 'how much is stored in each of them in a second at most', positiveNumber)
      .action(async (database: string, { reason, from, to, backup, bandwidth, ...options }: CopyOptions) => {
        const input = parseCopyBackupsInput([{ database, requestedBy: requester(), reason, from, to, backup, bytesPerSecond: bandwidth }]);
        exit(await execute({ ...COPY_BACKUPS, input }, options));
      });
  },
};

export function copyLines({ repositories, durationMs }: CopyBackupsResult): string[] {
  return factLines([...repositories.map((filled): Fact => [filled.repository, filledText(filled)]), ['took', durationText(durationMs)]]);
}

function filledText({ copied, repaired, there, expired, bytesStored, failures }: CopyBackupsResult['repositories'][number]): string {
  const lacking = failures.map(({ code, count }) => `${countedText(count, 'object')} FAILED ${code}`);
  const parts = [
    `${countedText(copied, 'object')} copied`,
    repaired === 0 ? '' : `${repaired} repaired`,
    `${there} there already`,
    expired === 0 ? '' : `${countedText(expired, 'backup')} not copied, for they have expired there`,
  ];
  return [...parts.filter((part) => part !== ''), sizeText(bytesStored), ...lacking].join(', ');
}
