import { InvalidArgumentError } from 'commander';
import type { ArchiveHandle } from '../../client/archive-handle.ts';
import type { ArchivedExtents, ArchiveWalResult, ArchiveWanted } from '../../contract/archive-wal.ts';
import type { CliCommand, RunKind } from '../command.ts';
import { logText, sizeText } from '../figures.ts';
import { addJsonOption, addTemporalOptions, requester, wholeNumber } from '../options.ts';
import { createOutput, factLines } from '../output.ts';
import type { TemporalOptions } from '../temporal-client.ts';

const ARCHIVE_WAL: RunKind<'archiveWal'> = { type: 'archiveWal', isQuery: false, resultLines: archiveLines };

type ArchiveOptions = TemporalOptions & { json?: boolean; pause?: boolean; resume?: boolean; bandwidth?: number | 'config' };

export const archiveCommand: CliCommand = {
  name: 'archive',
  description: 'store what has come of the log until now; pause or resume its archive',
  runs: [ARCHIVE_WAL],
  define: (command) => {
    addTemporalOptions(addJsonOption(command.argument('<database>', 'its name in the agents’ config files')))
      .option('--pause', 'store nothing until it is resumed')
      .option('--resume', 'go on')
      .option('--bandwidth <bytes>', 'store at most so many bytes a second; `config`: as the config says', bandwidth)
      .action(archive);
  },
};

function bandwidth(text: string): number | 'config' {
  if (text === 'config') return text;
  const bytes = wholeNumber(text);
  if (bytes < 1024) throw new InvalidArgumentError('It must be at least 1024, or "config".');
  return bytes;
}

/** Without an option it asks how far the log is stored. Fails: temporal-unreachable, invalid-input, agent-unreachable. */
async function archive(database: string, options: ArchiveOptions): Promise<void> {
  const { withTemporal } = await import('../temporal-client.ts');
  await withTemporal(options, async ({ rstow }) => {
    const handle = rstow.archive(database);
    const output = createOutput(options.json === true);
    const said = await change(handle, options);
    if (said !== undefined) {
      output.result([said], { workflowId: handle.workflowId });
      return;
    }
    const archived = await handle.archiveNow();
    const wanted = await handle.wanted();
    output.result(archivedLines(archived, wanted), { workflowId: handle.workflowId, ...archived, ...wanted });
  });
}

/** Undefined if nothing is to be changed. */
async function change(handle: ArchiveHandle, { pause, resume, bandwidth: wanted }: ArchiveOptions): Promise<string | undefined> {
  if (pause === true) {
    await handle.pause({ by: requester() });
    return 'paused: what the server writes is not stored until `rstow archive --resume`';
  }
  if (wanted !== undefined) await handle.setBandwidth({ bytesPerSecond: wanted === 'config' ? undefined : wanted });
  if (resume === true) await handle.resume();
  if (resume === true) return 'resumed';
  if (wanted === undefined) return undefined;
  return wanted === 'config' ? 'stored as fast as the config says' : `at most ${wanted} bytes a second are stored`;
}

function archivedLines({ timeline, extents }: ArchivedExtents, { pausedBy, bytesPerSecond }: ArchiveWanted): string[] {
  return factLines([
    ['archived', extents === null ? 'nothing yet: the log has no record' : logText(extents)],
    ['timeline', timeline],
    ['paused by', pausedBy === undefined ? undefined : `${pausedBy}: what comes from now on waits for \`--resume\``],
    ['limit', bytesPerSecond === undefined ? undefined : `${sizeText(bytesPerSecond)} a second`],
  ]);
}

export function archiveLines({ outcome, database }: ArchiveWalResult): string[] {
  return [`${outcome}: the archive of ${database} has ended`];
}
