import { ListObjectsV2Command, type ListObjectsV2CommandOutput, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { asked } from './s3-errors.ts';
import type { S3Place } from './s3-place.ts';
import { assertKeyPrefix, isObjectKey } from './object-key.ts';
import type { KeysOptions, ListedObject, ObjectVersion } from './port.ts';

type Wanted = KeysOptions & { prefix: string };
type Page = ListObjectsV2CommandOutput;

/** Others' objects among ours whose names are no keys are passed over. */
export async function* listObjects(place: S3Place, wanted: Wanted): AsyncGenerator<ListedObject> {
  for await (const { Contents = [] } of pagesOf(place, wanted)) {
    for (const { Key = '', Size = 0, LastModified } of Contents) {
      wanted.signal?.throwIfAborted();
      const key = Key.slice(place.prefix.length);
      if (isObjectKey(key)) yield { key, sizeBytes: Size, modifiedAtMs: LastModified?.getTime() ?? 0 };
    }
  }
}

/** A folder whose objects begin before `startAfter` and end behind it is given by the server, and passed over here. */
export async function* listKeys(place: S3Place, wanted: Wanted): AsyncGenerator<string> {
  const { startAfter = '', signal } = wanted;
  for await (const page of pagesOf(place, wanted)) {
    for (const key of namesOf(page, place.prefix.length)) {
      signal?.throwIfAborted();
      if (key > startAfter) yield key;
    }
  }
}

function namesOf({ Contents = [], CommonPrefixes = [] }: Page, prefixLength: number): string[] {
  const keys = Contents.map(({ Key = '' }) => Key.slice(prefixLength)).filter(isObjectKey);
  const folders = CommonPrefixes.map(({ Prefix = '' }) => Prefix.slice(prefixLength)).filter((folder) => isObjectKey(`${folder}x`));
  return folders.length === 0 ? keys : [...keys, ...folders].sort();
}

async function* pagesOf(place: S3Place, { prefix, startAfter, folded, signal }: Wanted): AsyncGenerator<Page> {
  assertKeyPrefix(prefix);
  let continuation: string | undefined;
  do {
    signal?.throwIfAborted();
    const command = new ListObjectsV2Command({
      Bucket: place.bucket,
      Prefix: `${place.prefix}${prefix}`,
      ...(folded === true ? { Delimiter: '/' } : {}),
      ...(continuation !== undefined
        ? { ContinuationToken: continuation }
        : startAfter === undefined
          ? {}
          : { StartAfter: `${place.prefix}${startAfter}` }),
    });
    const send = (): Promise<Page> => place.client.send(command, signal === undefined ? {} : { abortSignal: signal });
    const page = await asked(place, `list ${prefix}`, send);
    yield page;
    continuation = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (continuation !== undefined);
}

/** Those before the present ones too, and those of objects that were deleted. */
export async function* listVersions(place: S3Place, prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectVersion> {
  assertKeyPrefix(prefix);
  const wanted = { Bucket: place.bucket, Prefix: `${place.prefix}${prefix}` };
  let markers: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
  while (markers !== undefined) {
    const command: ListObjectVersionsCommand = new ListObjectVersionsCommand({ ...wanted, ...markers });
    const page = await asked(place, `list the versions of ${prefix}`, () =>
      place.client.send(command, signal === undefined ? {} : { abortSignal: signal }),
    );
    for (const { Key = '', VersionId, Size = 0, LastModified } of page.Versions ?? []) {
      const key = Key.slice(place.prefix.length);
      const modifiedAtMs = LastModified?.getTime() ?? 0;
      if (VersionId !== undefined && isObjectKey(key)) yield { key, versionId: VersionId, sizeBytes: Size, modifiedAtMs };
    }
    const { IsTruncated, NextKeyMarker, NextVersionIdMarker } = page;
    const next = NextVersionIdMarker === undefined ? {} : { VersionIdMarker: NextVersionIdMarker };
    markers = IsTruncated === true && NextKeyMarker !== undefined ? { KeyMarker: NextKeyMarker, ...next } : undefined;
  }
}
