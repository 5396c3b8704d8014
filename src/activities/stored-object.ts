import { RstowError } from '../core/errors/rstow-error.ts';
import { createSha256 } from '../io/checksum/sha256.ts';
import type { Repository } from '../io/repository/repository.ts';

/** Fails: damaged-object, where the object is missing or its bytes are not those that were stored. */
export async function checkStored(
  repository: Repository,
  promised: { key: string; sizeBytes: number; sha256: string },
  signal: AbortSignal,
): Promise<number> {
  const { key } = promised;
  const stream = await repository.openRead(key, { signal });
  if (stream === undefined) throw new RstowError('damaged-object', `${key} is missing`, { details: { key } });
  const hash = createSha256();
  let sizeBytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk as Uint8Array);
    sizeBytes += (chunk as Uint8Array).length;
  }
  if (sizeBytes === promised.sizeBytes && hash.digestHex() === promised.sha256) return sizeBytes;
  throw new RstowError('damaged-object', `${key} is not what was stored: ${sizeBytes} of ${promised.sizeBytes} bytes, or another hash`, {
    details: { key },
  });
}
