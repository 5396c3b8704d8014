import { parseRestoreVolumeInput, type RestoreVolumeResult } from '../../contract/restore-volume.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, durationText, holdsText, logText, sizeText } from '../figures.ts';
import { commonInput, execute, type InputOptions } from '../options.ts';
import { factLines } from '../output.ts';

export const RESTORE_VOLUME: RunKind<'restoreVolume'> = { type: 'restoreVolume', isQuery: false, resultLines: volumeLines };

type VolumeOptions = RunOptions &
  InputOptions & { backup?: string; toDataset: string; toAgent?: string; dryRun?: boolean; toDir?: string; withoutTemporal?: boolean };

/** Returns the exit code. Fails: invalid-input. */
export async function restoreVolume(database: string, options: VolumeOptions): Promise<number> {
  const { backup = 'latest', toDataset: dataset, toAgent: agent, toDir, withoutTemporal, dryRun } = options;
  if (toDir !== undefined || withoutTemporal === true) {
    throw new RstowError('invalid-input', '--to-dataset goes with neither --to-dir nor --without-temporal');
  }
  const input = parseRestoreVolumeInput([{ ...commonInput(database, options), backup, dataset, agent, dryRun }]);
  return execute({ ...RESTORE_VOLUME, input }, options);
}

export function volumeLines(result: RestoreVolumeResult): string[] {
  const { label, dataset, dataDir, agent, segmentsFetched = 0 } = result;
  return factLines([
    [result.dryRun === true ? 'would receive' : 'received', label],
    ['as', `${dataset} on ${agent}`],
    ['data directory', dataDir],
    ['timeline', result.timeline],
    ['stream', sizeText(result.streamBytes)],
    ['completed', segmentsFetched === 0 ? undefined : `${countedText(segmentsFetched, 'segment')} from the repository`],
    ['log', logText(result.extents)],
    ['holds', holdsText(result)],
    ['state digest', result.stateDigest],
    ['took', durationText(result.durationMs)],
  ]);
}
