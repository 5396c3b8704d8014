import { readdir, realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { SNAPSHOT_PREFIX } from '../../core/backup/snapshot.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Mount, mountOf, readMounts } from '../files/mounts.ts';
import type { ListedSnapshot, Volume, VolumePlace, VolumeSnapshot } from './volume.ts';
import { patientCommand, volumeCommand } from './volume-command.ts';

/** A dataset of ZFS that is mounted, and where the data directory lies in it. */
export type Dataset = {
  /** `tank/rstmdb`. */
  name: string;
  mountPoint: string;
  /** Of the data directory, from the dataset's own root; empty if it is the root. */
  path: string;
};

/**
 * The dataset that a data directory lies on. A snapshot of it is read under `.zfs/snapshot/`, which is there though hidden: nothing is
 * mounted by us, and what the kernel mounts when it is read goes with the snapshot. Fails: snapshot-unsupported.
 */
export async function openZfsVolume({ dataDir }: Pick<VolumePlace, 'dataDir'>): Promise<Volume> {
  const dataset = await findDataset(dataDir);
  return {
    kind: 'zfs',
    name: dataset.name,
    // A snapshot takes no room of its own: what it keeps later is what the server overwrites.
    requireRoom: async () => {
      await volumeCommand(['zfs', 'list', '-H', '-o', 'name', '-t', 'filesystem', dataset.name]);
      await snapshotNames(dataset);
    },
    take: async (name) => {
      if (!(await isThere(dataset, name))) await volumeCommand(['zfs', 'snapshot', `${dataset.name}@${name}`]);
      const taken = await inspect(dataset, name);
      if (taken !== undefined) return taken;
      throw new RstowError('failed', `${dataset.name}@${name} is gone again`);
    },
    inspect: (name) => inspect(dataset, name),
    drop: async (name) => {
      // What still reads it, as a `zfs send` whose agent has died, ends soon.
      if (await isThere(dataset, name)) await patientCommand(['zfs', 'destroy', `${dataset.name}@${name}`]);
    },
    list: async () => {
      const names = (await snapshotNames(dataset)).filter((name) => name.startsWith(SNAPSHOT_PREFIX));
      return listed(dataset, names);
    },
  };
}

/** Links are followed. Fails: snapshot-unsupported; as the system does, if the folder is absent. */
export async function findDataset(dataDir: string): Promise<Dataset> {
  return datasetOf(await readMounts(), await realpath(dataDir));
}

/** By the mount table, which knows legacy mount points as well. Fails: snapshot-unsupported. */
export function datasetOf(mounts: readonly Mount[], realDataDir: string): Dataset {
  const mount = mountOf(mounts, realDataDir);
  const details = { dataDir: realDataDir, fileSystem: mount?.fileSystem ?? 'none' };
  if (mount?.fileSystem !== 'zfs') {
    const sentence = `${realDataDir} lies on ${mount?.source ?? 'nothing'} (${mount?.fileSystem ?? 'none'}), which is no dataset of ZFS`;
    throw new RstowError('snapshot-unsupported', sentence, { details });
  }
  const { source: name, root } = mount;
  const whole = mounts.findLast((other) => other.fileSystem === 'zfs' && other.source === name && other.root === '/');
  if (whole === undefined) {
    const sentence = `the dataset ${name} is mounted only in part, at ${mount.mountPoint}: its snapshots can be read where all of it is mounted`;
    throw new RstowError('snapshot-unsupported', sentence, { details });
  }
  return { name, mountPoint: whole.mountPoint, path: join(root, relative(mount.mountPoint, realDataDir)).replace(/^\/|\/$/g, '') };
}

const snapshotsFolder = ({ mountPoint }: Dataset): string => join(mountPoint, '.zfs', 'snapshot');

/** All there are, of whomever: a command would print too many where others take one each minute. */
async function snapshotNames(dataset: Dataset): Promise<string[]> {
  try {
    return await readdir(snapshotsFolder(dataset));
  } catch (error) {
    const sentence = `the snapshots of ${dataset.name} can’t be read at ${snapshotsFolder(dataset)}`;
    throw new RstowError('snapshot-unsupported', sentence, { details: { dataset: dataset.name }, cause: error });
  }
}

async function isThere(dataset: Dataset, name: string): Promise<boolean> {
  return (await snapshotNames(dataset)).includes(name);
}

async function inspect(dataset: Dataset, name: string): Promise<VolumeSnapshot | undefined> {
  if (!(await isThere(dataset, name))) return undefined;
  const [snapshot] = await listed(dataset, [name]);
  if (snapshot === undefined) return undefined;
  return { dataDir: join(snapshotsFolder(dataset), name, dataset.path), takenAtMs: snapshot.takenAtMs };
}

/** With the time at which each was taken, to the second. */
async function listed({ name: dataset }: Dataset, names: readonly string[]): Promise<ListedSnapshot[]> {
  if (names.length === 0) return [];
  const snapshots = names.map((name) => `${dataset}@${name}`);
  return parseListed(await volumeCommand(['zfs', 'list', '-H', '-p', '-t', 'snapshot', '-o', 'name,creation', ...snapshots]));
}

/** Columns are set apart by tabs. @see zfs-list(8) `-H` */
export function parseListed(text: string): ListedSnapshot[] {
  return text.split('\n').flatMap((line) => {
    const [, name, seconds] = /^[^@\t]+@([^\t]+)\t([0-9]+)$/.exec(line) ?? [];
    return name === undefined || seconds === undefined ? [] : [{ name, takenAtMs: Number(seconds) * 1000 }];
  });
}
