import { z } from 'zod';
import { BACKUP_KINDS } from '../../core/backup/label.ts';
import { parseWalOffset, type WalOffsetText } from '../../core/wal/wal-offset.ts';
import { count, sha256Hex, sizeBytes, timelineId } from './parts.ts';

const end = z.custom<WalOffsetText>((value) => typeof value === 'string' && parseWalOffset(value) !== undefined, 'must be an offset');

/** What a list says of a backup, from its manifest. */
const catalogued = z.object({
  label: z.string(),
  kind: z.enum(BACKUP_KINDS),
  timeline: timelineId,
  createdAtMs: z.int(),
  writtenAtMs: z.int(),
  bytesStored: sizeBytes,
  extents: z.object({ segments: count, first: z.string(), last: z.string(), end, sizeBytes }),
  records: count,
  machines: count,
  instances: count,
  stateDigest: sha256Hex,
  restorable: z.enum(['from-log', 'from-baseline', 'no']),
});

export type CataloguedBackup = z.infer<typeof catalogued>;

/** Made from manifests, to save reading each of them: nothing is restored or deleted by what it says. */
export const catalogueSchema = z.object({ format: z.literal(1), backups: z.array(catalogued) });
