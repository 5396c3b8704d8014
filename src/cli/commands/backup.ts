import { Option } from 'commander';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type ColdBackupResult, parseColdBackupInput } from '../../contract/cold-backup.ts';
import { type HotBackupResult, parseHotBackupInput } from '../../contract/hot-backup.ts';
import { parseSnapshotBackupInput, type SnapshotBackupResult } from '../../contract/snapshot-backup.ts';
import { SNAPSHOT_KINDS } from '../../core/backup/snapshot.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, durationText, holdsText, logText, sizeText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions } from '../options.ts';
import { type Fact, factLines } from '../output.ts';

const COLD_BACKUP: RunKind<'coldBackup'> = { type: 'coldBackup', isQuery: false, resultLines: coldBackupLines };

const HOT_BACKUP: RunKind<'hotBackup'> = { type: 'hotBackup', isQuery: false, resultLines: backupLines };

const SNAPSHOT_BACKUP: RunKind<'snapshotBackup'> = { type: 'snapshotBackup', isQuery: false, resultLines: snapshotBackupLines };

type BackupOptions = RunOptions & InputOptions & { compact?: boolean; cold?: boolean; snapshot?: string; stream?: boolean };

export const backupCommand: CliCommand = {
  name: 'backup',
  description: 'back up a server',
  runs: [HOT_BACKUP, COLD_BACKUP, SNAPSHOT_BACKUP],
  define: (command, { exit }) => {
    addRunOptions(command)
      .option('--compact', 'let the server compact once its log is stored; the restart guard links back what that deletes')
      .addOption(
        new Option('--cold', 'stop the server for as long as it takes to store the rest of its log').conflicts([
          'compact',
          'snapshot',
          'stream',
        ]),
      )
      .addOption(
        new Option('--snapshot <kind>', 'copy from a snapshot of the volume that the data lie on, as the agent’s config says')
          .choices(SNAPSHOT_KINDS)
          .conflicts('compact'),
      )
      .addOption(new Option('--stream', 'with --snapshot zfs: store the stream of `zfs send` as well').conflicts('compact'))
      .action(async (database: string, options: BackupOptions) => exit(await start(database, options)));
  },
};

async function start(database: string, options: BackupOptions): Promise<number> {
  const { compact, cold, snapshot, stream } = options;
  if (snapshot === 'lvm' && stream === true)
    throw new RstowError('invalid-input', "option '--stream' needs '--snapshot zfs': only zfs has a stream");
  const common = commonInput(database, options);
  if (cold === true) return execute({ ...COLD_BACKUP, input: parseColdBackupInput([common]) }, options);
  if (snapshot === undefined && stream === undefined) {
    return execute({ ...HOT_BACKUP, input: parseHotBackupInput([{ ...common, compact }]) }, options);
  }
  return execute({ ...SNAPSHOT_BACKUP, input: parseSnapshotBackupInput([{ ...common, snapshot, stream }]) }, options);
}

export const markCommand: CliCommand = {
  name: 'mark',
  description: 'back up a running server, and give the point a name to recover by',
  define: (command, { exit }) => {
    addRunOptions(command)
      .argument('<name>', '1 to 63 of a-z, 0-9 and -')
      .action(async (...[database, mark, options]: [string, string, RunOptions & InputOptions]) => {
        const input = parseHotBackupInput([{ ...commonInput(database, options), mark }]);
        exit(await execute({ ...HOT_BACKUP, input }, options));
      });
  },
};

export function backupLines(result: HotBackupResult, more: readonly Fact[] = []): string[] {
  const { label, extents } = result;
  if (label === undefined || extents === undefined) return [`${result.outcome}: no backup was made of ${result.database}`];
  const added = `${sizeText(result.bytesStored ?? 0)} in ${countedText(result.piecesStored ?? 0, 'piece')}, from ${sizeText(result.bytesPlain ?? 0)} of log`;
  return factLines([
    ['mark', result.mark],
    ['backup', label],
    ['repository', `${result.repository ?? ''}, timeline ${result.timeline ?? ''}`],
    ['copies', copiesText(result)],
    ['log', logText(extents)],
    ['holds', holdsText(result)],
    ['stored', added],
    ['restorable', restorableText(result)],
    ['compacted', compactedText(result)],
    ['state digest', result.stateDigest ?? ''],
    ['took', durationText(result.durationMs ?? 0)],
    ...more,
  ]);
}

function copiesText({ copies }: HotBackupResult): string | undefined {
  if (copies === undefined) return undefined;
  const { stored, wanted, failed } = copies;
  const lacking = failed.map(({ repository, code }) => `${repository} lacks it (${code})`);
  return [`${stored}/${wanted}`, ...lacking].join(', ');
}

export function snapshotBackupLines(result: SnapshotBackupResult): string[] {
  return backupLines(result, [
    ['snapshot', snapshotText(result)],
    ['stream', streamText(result)],
  ]);
}

function snapshotText({ snapshot }: SnapshotBackupResult): string | undefined {
  if (snapshot === undefined) return undefined;
  const { volume, name, sizeBytes, usedPercent, heldMs } = snapshot;
  const used = sizeBytes === undefined || usedPercent === undefined ? '' : `, ${usedPercent} % of ${sizeText(sizeBytes)} used`;
  return `${name} of ${volume}, held for ${durationText(heldMs)}${used}`;
}

function coldBackupLines(result: ColdBackupResult): string[] {
  return backupLines(result, [['server', serverText(result)]]);
}

function serverText({ server, downtimeMs, tailBytes }: ColdBackupResult): string | undefined {
  if (server !== 'restarted') return server === undefined ? undefined : 'was down, and was left so';
  if (downtimeMs === undefined) return 'stopped and started again';
  const rest = tailBytes === undefined ? '' : `, while ${sizeText(tailBytes)} of log were stored`;
  return `down for ${durationText(downtimeMs)}${rest}`;
}

function streamText({ stream }: SnapshotBackupResult): string | undefined {
  return stream === undefined ? undefined : `${sizeText(stream.storedBytes)}, from ${sizeText(stream.streamBytes)} of \`zfs send\``;
}

function compactedText({ compacted }: HotBackupResult): string | undefined {
  if (compacted === undefined) return undefined;
  const { snapshotsCreated, segmentsDeleted } = compacted;
  return `${countedText(snapshotsCreated, 'snapshot')} made; ${countedText(segmentsDeleted, 'segment')} deleted, and linked back`;
}

function restorableText({ restorable = 'no', newestRestorable }: HotBackupResult): string {
  if (newestRestorable === undefined) return restorable;
  return `${restorable}; the newest that is: ${newestRestorable ?? 'none'}`;
}
