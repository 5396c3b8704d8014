import { backupKey } from '../../core/repository/object-keys.ts';
import type { Verification } from './verification.ts';

/** The small objects beside the manifest; gives how many bytes were read. Fails: missing-object, truncated-object, damaged-object. */
export async function verifyAttachments({ store, manifest, run }: Verification): Promise<number> {
  let bytesRead = 0;
  for (const { name, storedBytes, storedSha256 } of manifest.attachments) {
    const key = backupKey(manifest.database, manifest.label, name);
    bytesRead += await store.pieces.check({ key, sizeBytes: storedBytes, sha256: storedSha256 }, run.signal);
  }
  return bytesRead;
}
