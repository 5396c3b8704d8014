import type { VerifyLevel } from '../../contract/verify-backup.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import type { Verification, Verified } from './verification.ts';
import { verifyAttachments } from './verify-attachments.ts';
import { verifyChecksums } from './verify-checksums.ts';
import { verifyRecords } from './verify-records.ts';
import { verifyReplay } from './verify-replay.ts';

export type VerifyInput = { database: string; repository: string; label: string; level: VerifyLevel };
/** The backup that a person means. Fails: backup-not-found, damaged-object, unknown-repository. */
export const chooseBackup =
  (deps: ActivityDeps) =>
  async (input: { database: string; repository?: string | undefined; backup: string }): Promise<{ label: string; repository: string }> => {
    const store = await deps.openStore(input.database, input.repository);
    const { label } = await store.backups.find(input.backup);
    return { label, repository: store.name };
  };

/**
 * Reads a backup and compares it with its manifest, as deep as asked. Changes nothing.
 * Fails: missing-object, truncated-object, damaged-object, naming the object; digest-different, not-enough-space. Twice: the same.
 */
export const verifyStoredBackup =
  (deps: ActivityDeps) =>
  async (input: VerifyInput, run: RunPort): Promise<Verified> => {
    const store = await deps.openStore(input.database, input.repository);
    const manifest = await store.backups.read(input.label);
    const verification: Verification = { deps, store, manifest, run };
    const checksums = await verifyChecksums(verification);
    const attachmentsRead = await verifyAttachments(verification);
    const base = { ...checksums, bytesRead: checksums.bytesRead + attachmentsRead };
    switch (input.level) {
      case 'checksums':
        return base;
      case 'records':
        return { ...base, ...(await verifyRecords(verification)) };
      case 'replay':
        return { ...base, ...(await verifyReplay(verification)) };
    }
  };
