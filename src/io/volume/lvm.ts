import { mkdir, readdir, realpath, rmdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { SnapshotConfig } from '../../config/agent-config.ts';
import { SNAPSHOT_PREFIX } from '../../core/backup/snapshot.ts';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { sizeText } from '../../core/text/figures.ts';
import { orUndefined, unlessAbsent } from '../files/errno.ts';
import { type Mount, mountOf, readMounts } from '../files/mounts.ts';
import type { ListedSnapshot, Volume, VolumePlace, VolumeSnapshot } from './volume.ts';
import { patientCommand, volumeCommand } from './volume-command.ts';

type LvmSettings = Extract<SnapshotConfig, { kind: 'lvm' }>;

/**
 * How each file system is mounted beside its own origin. Its journal is replayed, on the snapshot's own blocks: `noload` and `norecovery`
 * would show it as no server has left it. XFS refuses a second one with the same UUID.
 */
const MOUNT_OPTIONS: Readonly<Record<string, string>> = {
  ext2: 'ro,nosuid,nodev,noexec',
  ext3: 'ro,nosuid,nodev,noexec',
  ext4: 'ro,nosuid,nodev,noexec',
  xfs: 'ro,nosuid,nodev,noexec,nouuid',
};

/** What holds the server's data. */
type Origin = {
  group: string;
  volume: string;
  fileSystem: string;
  /** Of the data directory, from the file system’s own root. */ path: string;
};

/** The logical volume that a data directory lies on. Fails: snapshot-unsupported, permission-denied. */
export async function openLvmVolume(settings: LvmSettings, { dataDir, mountRoot }: VolumePlace): Promise<Volume> {
  if (process.getuid?.() !== 0)
    throw new RstowError('permission-denied', 'only root may take a snapshot of a logical volume, and mount it');
  const origin = await originOf(dataDir);
  const lvm: Lvm = { settings, origin, mountRoot };
  return {
    kind: 'lvm',
    name: `${origin.group}/${origin.volume}`,
    requireRoom: async () => {
      await roomFor(lvm);
    },
    take: (name) => take(lvm, name),
    inspect: (name) => inspect(lvm, name),
    drop: (name) => drop(lvm, name),
    list: () => list(lvm),
  };
}

type Lvm = { settings: LvmSettings; origin: Origin; mountRoot: string };

async function originOf(dataDir: string): Promise<Origin> {
  const real = await realpath(dataDir);
  const mount = mountOf(await readMounts(), real);
  assert(mount !== undefined, 'every folder lies on a mount');
  const { device, source, fileSystem, root, mountPoint } = mount;
  const [major, minor] = device.split(':');
  const [row] = await logicalVolumes(`lv_kernel_major=${major} && lv_kernel_minor=${minor}`);
  const lies = `${dataDir} lies on ${source} (${fileSystem})`;
  if (row === undefined) throw unsupported(`${lies}, which is no logical volume of LVM`, mount);
  if (MOUNT_OPTIONS[fileSystem] === undefined) {
    throw unsupported(`${lies}: rstow copies from snapshots of ${Object.keys(MOUNT_OPTIONS).join(', ')}`, mount);
  }
  return { group: row.group, volume: row.name, fileSystem, path: join(root, relative(mountPoint, real)) };
}

function unsupported(sentence: string, { source, fileSystem }: Mount): RstowError {
  return new RstowError('snapshot-unsupported', sentence, { details: { source, fileSystem } });
}

/** As `lvs` reports it. */
type LogicalVolume = {
  group: string;
  name: string;
  /** What it is a snapshot of; empty if it is none. */
  origin: string;
  path: string;
  sizeBytes: number;
  takenAtMs: number;
  usedPercent: number | undefined;
  /** It had no room for a block that its origin overwrote. */
  isInvalid: boolean;
  groupFreeBytes: number;
  extentBytes: number;
};

const COLUMNS = 'vg_name,vg_free,vg_extent_size,lv_name,origin,lv_dm_path,lv_size,lv_time,data_percent,lv_attr,lv_snapshot_invalid';

/** Those that fit, of one group or of all: what a command prints is bounded. @see lvmreport(7) */
async function logicalVolumes(select: string, group?: string): Promise<LogicalVolume[]> {
  const format = ['--reportformat', 'json', '--units', 'b', '--nosuffix', '--config', 'report{time_format="%s"}', '-o', COLUMNS];
  const report = JSON.parse(
    await volumeCommand(['lvs', ...format, '--select', select, ...(group === undefined ? [] : [group])]),
  ) as LvsReport;
  return report.report.flatMap(({ lv }) => lv).map(parseRow);
}

async function volumeNamed(name: string, { group }: Origin): Promise<LogicalVolume | undefined> {
  const [row] = await logicalVolumes(`lv_name="${name}"`, group);
  return row;
}

type LvsReport = { report: { lv: Record<string, string>[] }[] };

/** The fifth letter of the attributes is the state: `I` for an invalid snapshot, `S` for one that is suspended so. @see lvs(8) */
const STATE_AT = 4;

function parseRow(row: Record<string, string>): LogicalVolume {
  const text = (column: string): string => row[column] ?? '';
  const used = Number.parseFloat(text('data_percent'));
  return {
    group: text('vg_name'),
    name: text('lv_name'),
    origin: text('origin'),
    path: text('lv_dm_path'),
    sizeBytes: Number(text('lv_size')),
    takenAtMs: Number(text('lv_time')) * 1000,
    usedPercent: Number.isNaN(used) ? undefined : used,
    isInvalid: text('lv_snapshot_invalid') === 'snapshot invalid' || 'IS'.includes(text('lv_attr').charAt(STATE_AT) || '-'),
    groupFreeBytes: Number(text('vg_free')),
    extentBytes: Number(text('vg_extent_size')),
  };
}

/** How large a snapshot is to be. Fails: not-enough-space. */
async function roomFor({ settings, origin }: Lvm): Promise<number> {
  const { group } = origin;
  const volume = await originNow(origin);
  const neededBytes = snapshotBytes(settings, volume);
  const { groupFreeBytes: availableBytes } = volume;
  if (availableBytes >= neededBytes) return neededBytes;
  const sentence = `the volume group ${group} needs ${sizeText(neededBytes)} of free space for a snapshot and has ${sizeText(availableBytes)}`;
  throw new RstowError('not-enough-space', sentence, { details: { group, neededBytes, availableBytes } });
}

async function originNow(origin: Origin): Promise<LogicalVolume> {
  const volume = await volumeNamed(origin.volume, origin);
  if (volume === undefined) throw new RstowError('failed', `${origin.group}/${origin.volume} is gone`);
  return volume;
}

/** What a snapshot notes of its own blocks comes on top of them. */
const NOTES_PERCENT = 1;
const NOTES_BYTES = 4 * 1024 * 1024;

/** Whole extents. */
function snapshotBytes({ sizeBytes, originPercent }: LvmSettings, origin: LogicalVolume): number {
  const wanted = sizeBytes ?? (origin.sizeBytes * originPercent * (100 + NOTES_PERCENT)) / 10_000 + NOTES_BYTES;
  return Math.ceil(wanted / origin.extentBytes) * origin.extentBytes;
}

/** The volume is suspended for a moment, which must not be cut short. */
const LVCREATE_TIMEOUT_MS = 600_000;

async function take(lvm: Lvm, name: string): Promise<VolumeSnapshot> {
  const { origin } = lvm;
  let there = await volumeNamed(name, origin);
  if (there?.origin === '') await drop(lvm, name);
  if (there === undefined || there.origin === '') {
    const size = `${await roomFor(lvm)}b`;
    const command = ['lvcreate', '--yes', '--snapshot', '--name', name, '--size', size, `${origin.group}/${origin.volume}`] as const;
    await volumeCommand(command, LVCREATE_TIMEOUT_MS);
    there = await volumeNamed(name, origin);
  }
  if (there === undefined) throw new RstowError('failed', `${origin.group}/${name} is gone again`);
  const taken = snapshotOf(lvm, there);
  await mount(lvm, there);
  return taken;
}

async function inspect(lvm: Lvm, name: string): Promise<VolumeSnapshot | undefined> {
  const row = await volumeNamed(name, lvm.origin);
  return row && snapshotOf(lvm, row);
}

/** Fails: snapshot-overflowed. */
function snapshotOf(lvm: Lvm, { name, ...row }: LogicalVolume): VolumeSnapshot {
  const { origin } = lvm;
  const { sizeBytes, usedPercent, takenAtMs, isInvalid } = row;
  if (isInvalid || usedPercent === FULL_PERCENT) throw overflowed(origin, name, sizeBytes);
  return { dataDir: join(mountPointOf(lvm, name), origin.path), takenAtMs, sizeBytes, usedPercent };
}

const FULL_PERCENT = 100;

function overflowed({ group, volume }: Origin, name: string, sizeBytes: number): RstowError {
  const sentence = `the snapshot ${group}/${name} of ${sizeText(sizeBytes)} is full: the server overwrote more of ${volume} than it can hold`;
  return new RstowError('snapshot-overflowed', sentence, { details: { group, volume, snapshot: name, sizeBytes } });
}

/** With the folders whose volume is gone. */
async function list({ origin, mountRoot }: Lvm): Promise<ListedSnapshot[]> {
  const rows = await logicalVolumes(`lv_name=~"^${SNAPSHOT_PREFIX}"`, origin.group);
  // An `lvcreate` that was killed leaves a volume of that name that is no snapshot yet.
  const volumes = rows.filter((row) => row.origin === '' || row.origin === origin.volume);
  const listed = new Map(volumes.map(({ name, takenAtMs }) => [name, takenAtMs]));
  for (const name of (await unlessAbsent(readdir(mountRoot))) ?? []) {
    if (!listed.has(name)) listed.set(name, (await stat(join(mountRoot, name))).mtimeMs);
  }
  return [...listed].map(([name, takenAtMs]) => ({ name, takenAtMs }));
}

function mountPointOf({ mountRoot }: Lvm, name: string): string {
  return join(mountRoot, name);
}

async function mount(lvm: Lvm, { name, path }: LogicalVolume): Promise<void> {
  const { fileSystem } = lvm.origin;
  await mkdir(mountPointOf(lvm, name), { recursive: true, mode: 0o700 });
  // The mount table has it without links.
  const mountPoint = await realpath(mountPointOf(lvm, name));
  if ((await mountsAt(mountPoint)) > 0) return;
  await volumeCommand(['mount', '-t', fileSystem, '-o', MOUNT_OPTIONS[fileSystem] ?? 'ro', path, mountPoint]);
}

async function drop(lvm: Lvm, name: string): Promise<void> {
  const { origin } = lvm;
  const mountPoint = await orUndefined(realpath(mountPointOf(lvm, name)), ['ENOENT']);
  if (mountPoint !== undefined) {
    for (let left = await mountsAt(mountPoint); left > 0; left -= 1) await unmount(mountPoint);
    await orUndefined(rmdir(mountPoint), ['ENOENT']);
  }
  if ((await volumeNamed(name, origin)) !== undefined) await patientCommand(['lvremove', '--yes', '--force', `${origin.group}/${name}`]);
}

/** Each has to be unmounted. */
async function mountsAt(mountPoint: string): Promise<number> {
  return (await readMounts()).filter((mount) => mount.mountPoint === mountPoint).length;
}

const UNMOUNT_ATTEMPTS = 4;

/** Whoever still reads in it keeps it from being unmounted: it goes once he has ended. */
async function unmount(mountPoint: string): Promise<void> {
  try {
    await patientCommand(['umount', mountPoint], UNMOUNT_ATTEMPTS);
  } catch {
    await volumeCommand(['umount', '--lazy', mountPoint]);
  }
}
