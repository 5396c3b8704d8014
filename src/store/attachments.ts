import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { backupKey } from '../core/repository/object-keys.ts';
import type { Attachment } from '../formats/repository/manifest.ts';
import { createDigestStage } from '../io/checksum/checksum.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { checkStored, plainBytes, storedDigest } from './stored-object.ts';

/** Of a server's config file: more would be no config file, and must not fill the memory or the disk of a host. */
export const CONFIG_FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Small things that a backup keeps beside the log, under its label. */
export type Attachments = {
  /** Stores what the source gives; the coding's suffix ends its name. Gives what is stored. Twice: what is there stays. */
  put(of: { label: string; name: string; signal: AbortSignal }, source: Readable): Promise<Attachment>;
  /** To another backup, as it is stored. False if it is not there. Twice: what is there stays. */
  copy(of: { from: string; to: string; name: string; signal: AbortSignal }): Promise<boolean>;
  /** Its plain bytes. Fails: missing-object, truncated-object, damaged-object, also if there are more than so many. */
  read(of: { label: string; name: string; signal: AbortSignal; plainBytesMax: number }): AsyncGenerator<Uint8Array>;
  /** Reads it and compares size and hash; gives the size. Fails: missing-object, truncated-object, damaged-object. */
  check(of: { label: string; attachment: Attachment; signal: AbortSignal }): Promise<number>;
};

export function attachmentsOf(scope: { repository: Repository; database: string; coding: Coding }): Attachments {
  const { repository, database, coding } = scope;
  return {
    put: async ({ label, name: plainName, signal }, source) => {
      const name = `${plainName}${coding.suffix}`;
      const key = backupKey(database, label, name);
      const staged = await repository.stage();
      try {
        const stored = createDigestStage();
        await pipeline([source, ...coding.encode(), stored.stream, staged.sink], { signal });
        const put = await staged.commit(key);
        // An attempt that died stored what there was then: the manifest promises what is stored.
        const { sizeBytes, sha256 } = put === 'stored' ? stored.result() : await storedDigest(repository, key, signal);
        return { name, storedBytes: sizeBytes, storedSha256: sha256 };
      } finally {
        await staged.discard();
      }
    },
    copy: async ({ from, to, name, signal }) => {
      const source = await repository.openRead(backupKey(database, from, name), { signal });
      if (source === undefined) return false;
      const staged = await repository.stage();
      try {
        await pipeline([source, staged.sink], { signal });
        await staged.commit(backupKey(database, to, name));
        return true;
      } finally {
        await staged.discard();
      }
    },
    read: ({ label, name, signal, plainBytesMax }) =>
      plainBytes({ repository, coding, key: backupKey(database, label, name), signal, plainBytesMax }),
    check: ({ label, attachment, signal }) => {
      const { name, storedBytes, storedSha256 } = attachment;
      return checkStored(repository, { key: backupKey(database, label, name), sizeBytes: storedBytes, sha256: storedSha256 }, signal);
    },
  };
}
