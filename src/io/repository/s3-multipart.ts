import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3';
import { checksumOf } from './s3-checksum.ts';
import { asked, s3Failure } from './s3-errors.ts';
import { PUT_ID, type S3Place } from './s3-place.ts';
import { conditionally, PROBE_KEY, type Put, putIdAt, replaces, retentionOf } from './s3-put.ts';
import { tried } from './wrap/retry.ts';

/** Of one request, beyond the tries of the library: what came before it can't be asked for again. */
export const PART_PATIENCE = { triesMax: 5, firstWaitMs: 200 };

/** Gives the upload's id. */
export async function createUpload(place: S3Place, { key, id }: { key: string; id: string }): Promise<string> {
  const command = new CreateMultipartUploadCommand({
    Bucket: place.bucket,
    Key: `${place.prefix}${key}`,
    ChecksumAlgorithm: 'CRC32C',
    ChecksumType: 'FULL_OBJECT',
    Metadata: { [PUT_ID]: id },
    ...retentionOf(place),
  });
  const begin = (): Promise<string> => asked(place, `put ${key}`, async () => (await place.client.send(command)).UploadId ?? '');
  return tried(begin, { ...PART_PATIENCE, signal: undefined });
}

type Part = { key: string; uploadId: string; number: number; bytes: Buffer; checksum: string; signal: AbortSignal };

export async function uploadPart(place: S3Place, part: Part): Promise<CompletedPart> {
  const { key, uploadId, number, bytes, checksum, signal } = part;
  const command = new UploadPartCommand({
    Bucket: place.bucket,
    Key: `${place.prefix}${key}`,
    UploadId: uploadId,
    PartNumber: number,
    Body: bytes,
    ContentLength: bytes.length,
    ChecksumCRC32C: checksum,
  });
  const send = (): Promise<UploadPartCommandOutput> => place.client.send(command, { abortSignal: signal });
  const { ETag } = await asked(place, `put part ${number} of ${key}`, send);
  return { PartNumber: number, ETag, ChecksumCRC32C: checksum };
}

/** `checksum` is of the whole object. */
export type Parts = { parts: CompletedPart[]; checksum: string };

type Completion = Parts & Put & { uploadId: string };

/** The upload may be gone because an earlier try has completed it. */
export async function completeUpload(place: S3Place, { uploadId, parts, checksum, ...put }: Completion): Promise<'stored' | 'exists'> {
  const { key, id } = put;
  const command = new CompleteMultipartUploadCommand({
    Bucket: place.bucket,
    Key: `${place.prefix}${key}`,
    UploadId: uploadId,
    MultipartUpload: { Parts: parts },
    IfNoneMatch: '*',
    ChecksumCRC32C: checksum,
    ChecksumType: 'FULL_OBJECT',
  });
  return conditionally(place, put, async () => {
    try {
      await place.client.send(command);
    } catch (error) {
      const isGone = error instanceof Error && error.name === 'NoSuchUpload';
      if (!isGone || (await putIdAt(place, key)) !== id) throw error;
    }
  });
}

/** What was sent is thrown away. Twice: no-op. */
export async function abortUpload(place: S3Place, key: string, uploadId: string): Promise<void> {
  const command = new AbortMultipartUploadCommand({ Bucket: place.bucket, Key: `${place.prefix}${key}`, UploadId: uploadId });
  try {
    await place.client.send(command);
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchUpload') return;
    throw s3Failure(error, `discard what was sent of ${key}`, place);
  }
}

/** A server may know the condition of a put, and not that of an upload's end. Fails: repository-unsupported. */
export async function probeConditionalCompletion(place: S3Place): Promise<void> {
  const object = { key: PROBE_KEY, id: randomUUID() };
  const uploadId = await createUpload(place, object);
  const bytes = Buffer.from('x');
  const checksum = checksumOf(bytes);
  const { signal } = new AbortController();
  const part = { key: PROBE_KEY, uploadId, number: 1, bytes, checksum, signal };
  const parts = [await tried(() => uploadPart(place, part), { ...PART_PATIENCE, signal })];
  const complete = (): Promise<'stored' | 'exists'> => completeUpload(place, { ...object, uploadId, parts, checksum });
  const outcome = await tried(complete, { ...PART_PATIENCE, signal });
  if (outcome === 'stored') throw replaces(place);
  await abortUpload(place, PROBE_KEY, uploadId);
}
