import { randomUUID } from 'node:crypto';
import { assertObjectKey, assertRange } from './object-key.ts';
import type { Repository } from './port.ts';
import { createS3Place } from './s3-client.ts';
import { abortLeftUploads, requireObjectLock, retainUntil } from './s3-keep.ts';
import { listKeys, listObjects, listVersions } from './s3-list.ts';
import { deleteObjects, moveObject } from './s3-move.ts';
import { s3Properties, type S3Place, type S3Settings } from './s3-place.ts';
import { probeConditionalPut, putWhole } from './s3-put.ts';
import { openRead, readWhole } from './s3-read.ts';
import { createUploads } from './s3-upload.ts';

/**
 * A repository in a bucket of S3. Credentials that can only read open it for reading.
 * Fails: invalid-config, repository-unavailable, repository-unsupported. Twice: the same repository.
 */
export async function openS3Repository(settings: S3Settings): Promise<Repository> {
  const place = await createS3Place(settings);
  await probeConditionalPut(place);
  await requireObjectLock(place);
  await abortLeftUploads(place);
  return repositoryAt(place);
}

function repositoryAt(place: S3Place): Repository {
  const uploads = createUploads(place);
  const checked = (keys: readonly string[]): readonly string[] => {
    keys.forEach(assertObjectKey);
    return keys;
  };
  return {
    description: place.description,
    properties: s3Properties,
    read: async (key, options) => {
      checked([key]);
      return readWhole(place, key, options);
    },
    openRead: async (key, options = {}) => {
      checked([key]);
      if (options.range !== undefined) assertRange(options.range);
      return openRead(place, key, options);
    },
    put: async (key, bytes) => {
      checked([key]);
      return putWhole(place, { key, bytes, id: randomUUID() });
    },
    stage: async (expectedKey) => uploads.stage(expectedKey),
    list: (prefix, options) => listObjects(place, { prefix, ...options }),
    keys: (prefix, options) => listKeys(place, { prefix, ...options }),
    move: async (fromKey, toKey) => {
      checked([fromKey, toKey]);
      await moveObject(place, { fromKey, toKey });
    },
    deleteMany: async (keys, { signal } = {}) => deleteObjects(place, checked(keys), signal),
    freeBytes: async () => undefined,
    versions: (prefix, { signal } = {}) => listVersions(place, prefix, signal),
    ...(place.objectLock === undefined
      ? {}
      : { retainUntil: async (keys: readonly string[], untilMs: number) => retainUntil(place, checked(keys), untilMs) }),
  };
}
