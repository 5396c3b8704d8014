import { RstowError } from '../core/errors/rstow-error.ts';
import { createSha256, type StreamDigest } from '../io/checksum/checksum.ts';
import type { Repository } from '../io/repository/port.ts';

/** Fails: missing-object, truncated-object; damaged-object, where its bytes are not those that were stored. */
export async function checkStored(
  repository: Repository,
  promised: { key: string; sizeBytes: number; sha256: string },
  signal: AbortSignal,
): Promise<number> {
  const { key } = promised;
  const { sizeBytes, sha256 } = await storedDigest(repository, key, signal);
  if (sizeBytes === promised.sizeBytes && sha256 === promised.sha256) return sizeBytes;
  const lacks = sizeBytes < promised.sizeBytes;
  const what = lacks
    ? `ends after ${sizeBytes} of ${promised.sizeBytes} stored bytes`
    : 'is not what was stored (its hash or size differs)';
  throw new RstowError(lacks ? 'truncated-object' : 'damaged-object', `${key} ${what}`, { details: { key } });
}

/** What is stored under the key, by reading it. Fails: missing-object. */
export async function storedDigest(repository: Repository, key: string, signal: AbortSignal): Promise<StreamDigest> {
  const stream = await repository.openRead(key, { signal });
  if (stream === undefined) throw new RstowError('missing-object', `${key} is missing`, { details: { key } });
  const hash = createSha256();
  let sizeBytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk as Uint8Array);
    sizeBytes += (chunk as Uint8Array).length;
  }
  return { sizeBytes, sha256: hash.digestHex() };
}
