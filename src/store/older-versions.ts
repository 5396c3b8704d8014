import { sidecarKey } from '../core/repository/coded-name.ts';
import { codedSidecarSchema } from '../formats/repository/piece.ts';
import type { ObjectVersion, Repository } from '../io/repository/port.ts';
import { readSealed, unlessUnreadable } from '../io/repository/sealed-object.ts';
import { storedDigest } from './stored-object.ts';

/**
 * A repository as it was before somebody deleted objects of it, or put others in their place: for reading alone, once it is known that
 * the present ones don't do. Undefined if it keeps no versions.
 */
export function asItWas(repository: Repository): Repository | undefined {
  const { versions } = repository;
  if (versions === undefined) return undefined;
  const past: Repository = {
    ...repository,
    keys: (prefix, options) => (options?.folded === true ? repository.keys(prefix, options) : keysEver(versions(prefix, options))),
    read: async (key, options) => {
      const present = await repository.read(key, options);
      if (present !== undefined) return present;
      const [newest] = await versionsOf(repository, key);
      return newest && repository.read(key, { ...options, versionId: newest.versionId });
    },
    openRead: async (key, options) => {
      return repository.openRead(key, { ...options, versionId: await fittingVersion({ repository, past }, key, options?.signal) });
    },
  };
  return past;
}

async function* keysEver(versions: AsyncIterable<ObjectVersion>): AsyncGenerator<string> {
  let before: string | undefined;
  for await (const { key } of versions) {
    if (key !== before) yield key;
    before = key;
  }
}

async function versionsOf({ versions }: Repository, wanted: string): Promise<ObjectVersion[]> {
  const found: ObjectVersion[] = [];
  for await (const version of versions?.(wanted) ?? []) {
    if (version.key !== wanted) break;
    found.push(version);
  }
  return found;
}

/** The newest that is what its sidecar says; without a sidecar the first one that was put. Each is read to know. */
async function fittingVersion(
  { repository, past }: { repository: Repository; past: Repository },
  key: string,
  signal = new AbortController().signal,
): Promise<string | undefined> {
  const versions = await versionsOf(repository, key);
  const sidecar = await unlessUnreadable(readSealed(past, sidecarKey(key), codedSidecarSchema));
  if (sidecar === undefined) return versions.at(-1)?.versionId;
  for (const { versionId, sizeBytes } of versions) {
    if (sizeBytes !== sidecar.storedBytes) continue;
    const version: Repository = { ...repository, openRead: (of, options) => repository.openRead(of, { ...options, versionId }) };
    const digest = await unlessUnreadable(storedDigest(version, key, signal));
    if (digest?.sha256 === sidecar.storedSha256) return versionId;
  }
  return undefined;
}
