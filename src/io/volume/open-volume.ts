import { unreachable } from '../../core/errors/rstow-error.ts';
import type { SnapshotConfig } from '../../config/agent-config.ts';
import { openLvmVolume } from './lvm.ts';
import { openZfsVolume } from './zfs.ts';
import type { Volume, VolumePlace } from './volume.ts';

/** The volume that a data directory lies on, as the config says what it is. Changes nothing. Fails: snapshot-unsupported, permission-denied. */
export async function openVolume(settings: SnapshotConfig, place: VolumePlace): Promise<Volume> {
  switch (settings.kind) {
    case 'lvm':
      return openLvmVolume(settings, place);
    case 'zfs':
      return openZfsVolume(place);
    default:
      return unreachable(settings);
  }
}
