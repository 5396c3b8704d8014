import {
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  ListMultipartUploadsCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { asked, isDenied, isNoSuchKey, statusOf } from './s3-errors.ts';
import type { S3Place } from './s3-place.ts';
import { lockModeOf } from './s3-put.ts';
import { abortUpload } from './s3-multipart.ts';

/** Longer than an upload can pause and still be alive. */
const LEFTOVER_AGE_MS = 24 * 60 * 60 * 1000;

/**
 * Throws away what uploads of dead processes have left: it is in no listing, and costs as much as objects do.
 * Credentials that may not do that leave it.
 */
export async function abortLeftUploads(place: S3Place, ageMs = LEFTOVER_AGE_MS): Promise<void> {
  let markers: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  while (markers !== undefined) {
    const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket: place.bucket,
      Prefix: place.prefix,
      ...markers,
    });
    const page = await unlessDenied(place, 'list unfinished uploads', () => place.client.send(command));
    if (page === undefined) return;
    for (const { Key = '', UploadId = '', Initiated } of page.Uploads ?? []) {
      const isLeft = Initiated !== undefined && Initiated.getTime() <= Date.now() - ageMs;
      if (isLeft) await abortUpload(place, Key.slice(place.prefix.length), UploadId);
    }
    const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
    const isMore = IsTruncated === true && NextKeyMarker !== undefined && NextUploadIdMarker !== undefined;
    markers = isMore ? { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker } : undefined;
  }
}

/** Fails: invalid-config, if objects shall be kept from deletion and the bucket can't do that. */
export async function requireObjectLock(place: S3Place): Promise<void> {
  if (place.objectLock === undefined) return;
  const command = new GetObjectLockConfigurationCommand({ Bucket: place.bucket });
  await unlessDenied(place, 'see whether the bucket has object lock', async () => {
    try {
      await place.client.send(command);
    } catch (error) {
      if (statusOf(error) !== 404 || (error as Error).name === 'NoSuchBucket') throw error;
      const sentence = `${place.description} was made without object lock: make another bucket, or leave the key objectLock out`;
      throw new RstowError('invalid-config', sentence, { details: { bucket: place.bucket } });
    }
  });
}

async function unlessDenied<Answer>(place: S3Place, doing: string, action: () => Promise<Answer>): Promise<Answer | undefined> {
  return asked(place, doing, async () => {
    try {
      return await action();
    } catch (error) {
      if (isDenied(error)) return undefined;
      throw error;
    }
  });
}

const AT_ONCE = 8;

/** A later date than that stays: none is ever brought forward. */
export async function retainUntil(place: S3Place, keys: readonly string[], untilMs: number): Promise<void> {
  const rest = [...keys];
  const worker = async (): Promise<void> => {
    for (let key = rest.shift(); key !== undefined; key = rest.shift()) await retainOne(place, key, untilMs);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, keys.length) }, worker));
}

async function retainOne(place: S3Place, key: string, untilMs: number): Promise<void> {
  const { objectLock } = place;
  if (objectLock === undefined) return;
  const object = { Bucket: place.bucket, Key: `${place.prefix}${key}` };
  await asked(place, `keep ${key} from deletion`, async () => {
    try {
      if ((await retainedUntilMs(place, object)) >= untilMs) return;
      const Retention = { Mode: lockModeOf(objectLock), RetainUntilDate: new Date(untilMs) };
      await place.client.send(new PutObjectRetentionCommand({ ...object, Retention }));
    } catch (error) {
      if (!isNoSuchKey(error)) throw error;
    }
  });
}

/** 0 if nothing keeps it. */
async function retainedUntilMs(place: S3Place, object: { Bucket: string; Key: string }): Promise<number> {
  try {
    const { Retention } = await place.client.send(new GetObjectRetentionCommand(object));
    return Retention?.RetainUntilDate?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchObjectLockConfiguration') return 0;
    throw error;
  }
}
