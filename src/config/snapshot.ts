import { z } from 'zod';

const MIB = 1024 * 1024;
const ORIGIN_PERCENT = 20;

const lvmSnapshot = z
  .strictObject({
    kind: z.literal('lvm').describe('`dataDir` lies on a logical volume of LVM, with ext2, ext3, ext4 or XFS.'),
    sizeBytes: z
      .int()
      .min(MIB)
      .max(Number.MAX_SAFE_INTEGER)
      .optional()
      .meta({ unit: 'bytes' })
      .describe('What a snapshot may hold of blocks that the server overwrites meanwhile. More, and it overflows: the backup fails.'),
    originPercent: z
      .int()
      .min(1)
      .max(100)
      .default(ORIGIN_PERCENT)
      .meta({ unit: '%' })
      .describe('The same as a part of the volume, if `sizeBytes` is absent. With 100 it can’t overflow.'),
  })
  .meta({ sample: { kind: 'lvm', sizeBytes: 2_147_483_648 } });

const zfsSnapshot = z
  .strictObject({ kind: z.literal('zfs').describe('`dataDir` lies on a dataset of ZFS, or is its mount point.') })
  .meta({ sample: { kind: 'zfs' } });

export const snapshotSection = z
  .discriminatedUnion('kind', [lvmSnapshot, zfsSnapshot])
  .describe('How a [backup from a snapshot](workflows.md#snapshotbackup) is taken; without this section there are none.');
