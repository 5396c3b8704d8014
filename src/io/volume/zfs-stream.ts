import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { commandInput, commandOutput } from '../process/pipe-command.ts';
import { patientCommand, volumeCommand } from './volume-command.ts';

/** The whole of a snapshot, for `zfs receive`. Fails: failed; the signal's reason. Twice: other bytes that give the same. */
export function sendStream(dataset: string, snapshot: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  return commandOutput(['zfs', 'send', `${dataset}@${snapshot}`], signal);
}

/** Where a dataset would be mounted that doesn't exist yet, as its parent has it. */
export type NewDataset = { mountPoint: string; availableBytes: number };

/** Whether a dataset can be received under this name. Changes nothing. Fails: target-not-empty, target-not-allowed, invalid-input, snapshot-unsupported. */
export async function requireNewDataset(dataset: string): Promise<NewDataset> {
  const details = { dataset };
  if ((await properties(dataset, ['type'])) !== undefined) {
    throw new RstowError('target-not-empty', `the dataset ${dataset} exists`, { details });
  }
  const parent = dataset.slice(0, dataset.lastIndexOf('/'));
  const found = await properties(parent, ['type', 'mountpoint', 'available']);
  if (found?.['type'] !== 'filesystem') {
    throw new RstowError('invalid-input', `field "dataset": ${parent} is no file system of ZFS on this host`, { details });
  }
  const { mountpoint = '' } = found;
  if (!mountpoint.startsWith('/')) {
    const sentence = `${dataset} would not be mounted by itself, for ${parent} has mountpoint=${mountpoint}: its data could not be checked`;
    throw new RstowError('target-not-allowed', sentence, { details });
  }
  return { mountPoint: join(mountpoint, dataset.slice(parent.length + 1)), availableBytes: Number(found['available']) };
}

/** Says of a dataset that it is not checked yet, and whose it is. */
const OWNER = 'rstow:received-by';

/** A dataset that is being received. `by` says who receives it: nobody else touches it, and nobody needs it. */
export type ReceivedDataset = { dataset: string; by: string };

/**
 * Receives a stream; what was given up on the way, ZFS removes itself. It is mounted later. Fails: failed, with what `zfs` said; as the
 * source; the signal's reason.
 */
export function receiveStream({ dataset, by }: ReceivedDataset, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  return commandInput(['zfs', 'receive', '-u', '-o', `${OWNER}=${by}`, dataset], source, signal);
}

export async function isReceivedBy({ dataset, by }: ReceivedDataset): Promise<boolean> {
  return (await properties(dataset, [OWNER]))?.[OWNER] === by;
}

/** Mounts it where its parent says. Twice: no-op. */
export async function mountDataset(dataset: string): Promise<void> {
  if ((await properties(dataset, ['mounted']))?.['mounted'] !== 'yes') await volumeCommand(['zfs', 'mount', dataset]);
}

/** Lets it be a dataset like any other: without the snapshot that the stream was of, and without our mark. Twice: no-op. */
export async function keepDataset(dataset: string, snapshot: string): Promise<void> {
  const received = `${dataset}@${snapshot}`;
  if ((await properties(received, ['type'])) !== undefined) await patientCommand(['zfs', 'destroy', received]);
  await volumeCommand(['zfs', 'inherit', OWNER, dataset]);
}

/** Removes it, with all that was received. One that was kept, or is another's, stays. Twice: no-op. */
export async function dropReceived(received: ReceivedDataset): Promise<void> {
  if (await isReceivedBy(received)) await patientCommand(['zfs', 'destroy', '-r', received.dataset]);
}

/** Undefined if there is nothing of that name. @see zfs-get(8): `-H` sets columns apart by tabs, `-p` gives numbers. */
async function properties(name: string, wanted: readonly string[]): Promise<Record<string, string> | undefined> {
  const values = await volumeCommand(['zfs', 'get', '-H', '-p', '-o', 'property,value', wanted.join(','), name]).catch((error: unknown) => {
    if (error instanceof RstowError && error.code === 'failed' && ABSENT.test(error.message)) return undefined;
    throw error;
  });
  return values === undefined ? undefined : parseProperties(values);
}

/** Any other trouble has the same exit code. */
const ABSENT = /dataset does not exist|no such pool/;

export function parseProperties(text: string): Record<string, string> {
  const rows = text.split('\n').filter((line) => line !== '');
  return Object.fromEntries(rows.map((line) => line.split('\t') as [string, string]));
}
