import { setTimeout as sleep } from 'node:timers/promises';
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { checksumOf } from './s3-checksum.ts';
import { asked, isConflict, isDenied, isTaken, statusOf, wasTriedBefore } from './s3-errors.ts';
import { PUT_ID, S3_TEMPORARY_FOLDER, type S3Place } from './s3-place.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const CONFLICTS_MAX = 10;
const CONFLICT_WAIT_MS = 100;

export type Put = {
  key: string;
  /** Tells it from others' puts of the key. */
  id: string;
  /** An earlier try may have stored it, though its answer was lost. */
  isAgain?: boolean;
};

/** Put if absent, in one request. */
export async function putWhole(place: S3Place, { bytes, ...put }: Put & { bytes: Uint8Array }): Promise<'stored' | 'exists'> {
  const { key, id } = put;
  const command = new PutObjectCommand({
    Bucket: place.bucket,
    Key: `${place.prefix}${key}`,
    Body: bytes,
    ContentLength: bytes.length,
    IfNoneMatch: '*',
    ChecksumCRC32C: checksumOf(bytes),
    Metadata: { [PUT_ID]: id },
    ...retentionOf(place),
  });
  return conditionally(place, put, () => place.client.send(command));
}

/** Carries out what stores an object under a free key. If its answer was lost, what lies there says whose it is. */
export async function conditionally(
  place: S3Place,
  { key, id, isAgain = false }: Put,
  action: () => Promise<unknown>,
): Promise<'stored' | 'exists'> {
  return asked(place, `put ${key}`, async () => {
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        await action();
        return 'stored';
      } catch (error) {
        if (isTaken(error)) return (isAgain || wasTriedBefore(error)) && (await putIdAt(place, key)) === id ? 'stored' : 'exists';
        if (!isConflict(error) || conflicts === CONFLICTS_MAX) throw error;
      }
      await sleep(CONFLICT_WAIT_MS);
    }
  });
}

/** Who put the object that lies there; undefined if there is none, or another program has put it. */
export async function putIdAt(place: S3Place, key: string): Promise<string | undefined> {
  try {
    const { Metadata } = await place.client.send(new HeadObjectCommand({ Bucket: place.bucket, Key: `${place.prefix}${key}` }));
    return Metadata?.[PUT_ID];
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

type Retention = { ObjectLockMode: 'GOVERNANCE' | 'COMPLIANCE'; ObjectLockRetainUntilDate: Date };

/** How a new object is kept from deletion, as its put says it. */
export function retentionOf({ objectLock }: S3Place): Retention | Record<string, never> {
  if (objectLock === undefined) return {};
  const untilMs = Date.now() + objectLock.days * DAY_MS;
  return { ObjectLockMode: lockModeOf(objectLock), ObjectLockRetainUntilDate: new Date(untilMs) };
}

export function lockModeOf({ mode }: NonNullable<S3Place['objectLock']>): Retention['ObjectLockMode'] {
  return mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE';
}

/** Never removed: whoever opens the repository again finds it taken, which says enough. */
export const PROBE_KEY = `${S3_TEMPORARY_FOLDER}probe`;

/**
 * Proves that a put never replaces: two hosts that claim a database at once must not both win. Credentials that can't write
 * open the repository for reading. Fails: repository-unsupported.
 */
export async function probeConditionalPut(place: S3Place): Promise<void> {
  const probe = new PutObjectCommand({
    Bucket: place.bucket,
    Key: `${place.prefix}${PROBE_KEY}`,
    Body: new Uint8Array(),
    ContentLength: 0,
    IfNoneMatch: '*',
    ChecksumCRC32C: checksumOf(new Uint8Array()),
  });
  await asked(place, 'open it', async () => {
    for (let puts = 0; puts < 2; puts += 1) {
      try {
        await place.client.send(probe);
      } catch (error) {
        if (isTaken(error) || isDenied(error)) return;
        if (!isConflict(error)) throw error;
      }
    }
    throw replaces(place);
  });
}

export function replaces({ description }: S3Place): RstowError {
  const sentence = `${description} overwrites an object that a put must leave there (it passes over If-None-Match): two agents would overwrite each other's`;
  return new RstowError('repository-unsupported', sentence, {
    hint: 'Use a server or a bucket that knows conditional puts (If-None-Match).',
  });
}
