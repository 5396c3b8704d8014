import { randomUUID } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { asked, isNoSuchKey, s3Failure } from './s3-errors.ts';
import { listObjects } from './s3-list.ts';
import { PUT_ID, type S3Place } from './s3-place.ts';
import { abortUpload } from './s3-multipart.ts';

const GIBIBYTE = 1024 * 1024 * 1024;

/** What S3 copies in one request. */
const COPY_SIZE_BYTES_MAX = 5 * GIBIBYTE;
const COPIED_PART_SIZE_BYTES = GIBIBYTE;

/** What S3 deletes in one request. */
const KEYS_AT_ONCE = 1_000;

export type Move = { fromKey: string; toKey: string };

/** Copied by the server, then deleted. Who dies between the two has lost nothing, and copies again. */
export async function moveObject(place: S3Place, move: Move, sizeBytesMax = COPY_SIZE_BYTES_MAX): Promise<void> {
  const { fromKey, toKey } = move;
  const sizeBytes = await sizeOf(place, fromKey);
  if (sizeBytes === undefined || fromKey === toKey) return;
  try {
    await (sizeBytes > sizeBytesMax ? copyInParts(place, move, sizeBytes) : copyWhole(place, move));
  } catch (error) {
    // Of two movers the slower one finds it moved.
    if (isNoSuchKey(error)) return;
    throw s3Failure(error, `move ${fromKey} to ${toKey}`, place);
  }
  await deleteObjects(place, [fromKey], undefined);
}

async function sizeOf(place: S3Place, key: string): Promise<number | undefined> {
  for await (const object of listObjects(place, { prefix: key })) return object.key === key ? object.sizeBytes : undefined;
  return undefined;
}

async function copyWhole(place: S3Place, { fromKey, toKey }: Move): Promise<void> {
  const { bucket: Bucket, prefix } = place;
  await place.client.send(new CopyObjectCommand({ Bucket, Key: `${prefix}${toKey}`, CopySource: sourceOf(place, fromKey) }));
}

async function copyInParts(place: S3Place, { fromKey, toKey }: Move, sizeBytes: number): Promise<void> {
  const { client } = place;
  const target = { Bucket: place.bucket, Key: `${place.prefix}${toKey}` };
  const algorithm = { ChecksumAlgorithm: 'CRC32C', ChecksumType: 'FULL_OBJECT' } as const;
  const { UploadId = '' } = await client.send(
    new CreateMultipartUploadCommand({ ...target, ...algorithm, Metadata: { [PUT_ID]: randomUUID() } }),
  );
  try {
    const Parts: CompletedPart[] = [];
    for (let startBytes = 0; startBytes < sizeBytes; startBytes += COPIED_PART_SIZE_BYTES) {
      const endBytes = Math.min(sizeBytes, startBytes + COPIED_PART_SIZE_BYTES);
      const part = {
        CopySource: sourceOf(place, fromKey),
        CopySourceRange: `bytes=${startBytes}-${endBytes - 1}`,
        PartNumber: Parts.length + 1,
      };
      const { CopyPartResult = {} } = await client.send(new UploadPartCopyCommand({ ...target, UploadId, ...part }));
      const { ETag, ChecksumCRC32C } = CopyPartResult;
      Parts.push({ PartNumber: part.PartNumber, ETag, ...(ChecksumCRC32C === undefined ? {} : { ChecksumCRC32C }) });
    }
    await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
  } catch (error) {
    await abortUpload(place, toKey, UploadId);
    throw error;
  }
}

/** Keys and buckets hold nothing that would have to be escaped. */
function sourceOf({ bucket, prefix }: S3Place, key: string): string {
  return `${bucket}/${prefix}${key}`;
}

export async function deleteObjects(place: S3Place, keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const unique = [...new Set(keys)];
  for (let first = 0; first < unique.length; first += KEYS_AT_ONCE) {
    signal?.throwIfAborted();
    const some = unique.slice(first, first + KEYS_AT_ONCE);
    const Objects = some.map((key) => ({ Key: `${place.prefix}${key}` }));
    const command = new DeleteObjectsCommand({ Bucket: place.bucket, Delete: { Objects, Quiet: true } });
    const doing = some.length === 1 ? `delete ${some[0]}` : `delete ${some.length} objects`;
    const { Errors = [] } = await asked(place, doing, () =>
      place.client.send(command, signal === undefined ? {} : { abortSignal: signal }),
    );
    const failed = Errors.find(({ Code }) => Code !== 'NoSuchKey');
    if (failed === undefined) continue;
    const error = Object.assign(new Error(failed.Message ?? ''), { name: failed.Code ?? 'InternalError' });
    throw s3Failure(error, `delete ${failed.Key?.slice(place.prefix.length)}`, place);
  }
}
