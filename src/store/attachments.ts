import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RstowError } from '../core/errors/rstow-error.ts';
import { sidecarKey, suffixOf } from '../core/repository/coded-name.ts';
import { backupKey } from '../core/repository/object-keys.ts';
import type { Attachment } from '../formats/repository/manifest.ts';
import { type AttachmentSidecar, attachmentSidecarSchema } from '../formats/repository/piece.ts';
import { createDigestStage, createSha256 } from '../io/checksum/checksum.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';
import { makeRoom } from './facts.ts';
import { inPresentForm, presentBytes } from './present-form.ts';
import { checkStored } from './stored-object.ts';

/** Of a server's config file: more would be no config file, and must not fill the memory or the disk of a host. */
export const CONFIG_FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Small things that a backup keeps beside the log, under its label. */
export type Attachments = {
  /**
   * Stores what the source gives; the coding's suffix ends its key. Twice: what an attempt before has stored whole stays, and is given;
   * what it has stored without its sidecar is put aside.
   */
  put(of: { label: string; name: string; runId: string; signal: AbortSignal }, source: Readable): Promise<StoredAttachment>;
  /** To another backup, as it is stored. False if it is not there. Twice: what is there stays. */
  copy(of: Copying): Promise<boolean>;
  /** Its plain bytes, as promised. Fails: missing-object, truncated-object, damaged-object, also if there are more than so many; wrong-key. */
  read(of: { label: string; attachment: Attachment; signal: AbortSignal; plainBytesMax?: number }): AsyncGenerator<Uint8Array>;
  /** Reads it as it is stored and compares size and hash; gives the size. Fails: missing-object, truncated-object, damaged-object. */
  check(of: { label: string; attachment: Attachment; signal: AbortSignal }): Promise<number>;
};

export type StoredAttachment = { attachment: Attachment; storedBytes: number };

type Scope = { repository: Repository; database: string; coding: Coding };

export function attachmentsOf(scope: Scope): Attachments {
  const { repository, database, coding } = scope;
  return {
    put: async ({ label, name, runId, signal }, source) => {
      const key = `${backupKey(database, label, name)}${coding.suffix}`;
      return storedAs(name, await store(scope, { key, runId, signal }, source));
    },
    copy: (of) => copyAttachment(scope, of),
    read: async function* ({ label, attachment, signal, plainBytesMax = Number.POSITIVE_INFINITY }) {
      const key = await requiredKey(scope, label, attachment.name);
      const hash = createSha256();
      const reading = { repository, coding, key, signal, plainBytesMax: Math.min(plainBytesMax, attachment.sizeBytes) };
      for await (const chunk of presentBytes(reading)) {
        hash.update(chunk);
        yield chunk;
      }
      if (hash.digestHex() !== attachment.sha256) throw otherBytes(key, label);
    },
    check: async ({ label, attachment, signal }) =>
      inPresentForm(repository, await requiredKey(scope, label, attachment.name), async (key) => {
        const sidecar = await readSealed(repository, sidecarKey(key), attachmentSidecarSchema);
        if (sidecar === undefined) throw new RstowError('missing-object', `${sidecarKey(key)} is missing`, { details: { key } });
        if (sidecar.sha256 !== attachment.sha256) throw otherBytes(key, label);
        return checkStored(repository, { key, sizeBytes: sidecar.storedBytes, sha256: sidecar.storedSha256 }, signal);
      }),
  };
}

/** The sidecar comes last: what has one is whole. */
async function store(
  { repository, coding }: Scope,
  { key, runId, signal }: { key: string; runId: string; signal: AbortSignal },
  source: Readable,
): Promise<AttachmentSidecar> {
  const staged = await repository.stage(key);
  try {
    const [plain, stored] = [createDigestStage(), createDigestStage()];
    await pipeline([source, plain.stream, ...coding.encode(), stored.stream, staged.sink], { signal });
    while ((await staged.commit(key)) === 'exists') {
      const earlier = await readSealed(repository, sidecarKey(key), attachmentSidecarSchema);
      if (earlier !== undefined) return earlier;
      await makeRoom(repository, key, runId);
    }
    const { sizeBytes: storedBytes, sha256: storedSha256 } = stored.result();
    const value = { format: 1 as const, ...plain.result(), storedBytes, storedSha256 };
    await putSealed(repository, sidecarKey(key), { schema: attachmentSidecarSchema, value });
    return value;
  } finally {
    await staged.discard();
  }
}

type Copying = { from: string; to: string; name: string; signal: AbortSignal };

/** The sidecar comes last, as of what is stored from a source. */
async function copyAttachment(scope: Scope, { from, to, name, signal }: Copying): Promise<boolean> {
  const { repository, database } = scope;
  const key = await storedKey(scope, from, name);
  if (key === undefined) return false;
  const sidecar = await readSealed(repository, sidecarKey(key), attachmentSidecarSchema);
  const source = sidecar === undefined ? undefined : await repository.openRead(key, { signal });
  if (sidecar === undefined || source === undefined) return false;
  const copyKey = `${backupKey(database, to, name)}${suffixOf(key) ?? ''}`;
  const staged = await repository.stage(copyKey);
  try {
    await pipeline([source, staged.sink], { signal });
    await staged.commit(copyKey);
  } finally {
    await staged.discard();
  }
  await putSealed(repository, sidecarKey(copyKey), { schema: attachmentSidecarSchema, value: sidecar });
  return true;
}

function storedAs(name: string, { sizeBytes, sha256, storedBytes }: AttachmentSidecar): StoredAttachment {
  return { attachment: { name, sizeBytes, sha256 }, storedBytes };
}

/** The object of that name, preferably as all is stored now; one without its sidecar only if there is no other. */
async function storedKey({ repository, database, coding }: Scope, label: string, name: string): Promise<string | undefined> {
  const stem = backupKey(database, label, name);
  const listed = new Set<string>();
  for await (const key of repository.keys(`${stem}.zst`)) listed.add(key);
  const keys = [...listed].filter((key) => key === `${stem}${suffixOf(key) ?? '.'}`);
  const rank = (key: string): number => (listed.has(sidecarKey(key)) ? 2 : 0) + (suffixOf(key) === coding.suffix ? 1 : 0);
  return keys.sort((one, other) => rank(other) - rank(one))[0];
}

async function requiredKey(scope: Scope, label: string, name: string): Promise<string> {
  const found = await storedKey(scope, label, name);
  if (found !== undefined) return found;
  const key = `${backupKey(scope.database, label, name)}${scope.coding.suffix}`;
  throw new RstowError('missing-object', `${key} is missing`, { details: { key } });
}

function otherBytes(key: string, label: string): RstowError {
  return new RstowError('damaged-object', `${key} holds other bytes than backup ${label} promises`, { details: { key } });
}
