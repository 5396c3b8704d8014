import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import type { ZstdCompress, ZstdDecompress } from 'node:zlib';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { keySetOf } from '../../core/repository/coded-name.ts';
import type { Coding } from './port.ts';

/** Fewer turns of the event loop a megabyte than with zlib's own 16 KiB. */
const CHUNK_SIZE_BYTES = 512 * 1024;

/** Up to here a compressor is made in a tenth of the time without far matches, and finds as much. */
const SMALL_SIZE_BYTES = 256 * 1024;
const SMALL_CHUNK_SIZE_BYTES = 16 * 1024;

/**
 * 32 MiB: half a WAL segment. An order's records lie far apart and repeat each other: measured, twice the ratio of the
 * usual window. Below 27, so that a plain `zstd -d` reads it.
 */
const WINDOW_LOG = 25;

/** Of a far match. Shorter ones cost a sixth more CPU to look for than this, and save a fiftieth. */
const FAR_MATCH_BYTES_MIN = 128;

/** What `zstd -d` accepts without an option; a larger window could take any amount of memory. */
const WINDOW_LOG_MAX = 27;

/** One zstd frame an object, which a plain `zstd -d` reads. */
export const zstdCoding: Coding = {
  suffix: '.zst',
  encode: (expectedSizeBytes) => [createCompressor(expectedSizeBytes)],
  announce: () => Promise.resolve(),
  decode: (key, expectedSizeBytes) => {
    refuseEncrypted(key);
    return [createDecompressor(expectedSizeBytes)];
  },
  requireKey: async (key) => Promise.resolve(key).then(refuseEncrypted),
  errorOf: decompressionError,
};

/**
 * Level 1: higher ones cost CPU seconds and save little once the window is long. The frame has its own checksum. What is
 * larger than `expectedSizeBytes` is compressed as well, though with a window that may be too short for it.
 */
function createCompressor(expectedSizeBytes = Number.POSITIVE_INFINITY): ZstdCompress {
  const isSmall = expectedSizeBytes <= SMALL_SIZE_BYTES;
  return createZstdCompress({
    chunkSize: chunkSizeFor(expectedSizeBytes),
    params: {
      [constants.ZSTD_c_compressionLevel]: 1,
      [constants.ZSTD_c_windowLog]: windowLogFor(expectedSizeBytes),
      // 0 leaves each to the level.
      [constants.ZSTD_c_enableLongDistanceMatching]: isSmall ? 0 : 1,
      [constants.ZSTD_c_ldmMinMatch]: isSmall ? 0 : FAR_MATCH_BYTES_MIN,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
}

/** The buffer is made anew for each piece as well: thousands of small ones would keep the collector busy with theirs. */
function chunkSizeFor(sizeBytes: number): number {
  return sizeBytes <= SMALL_SIZE_BYTES ? SMALL_CHUNK_SIZE_BYTES : CHUNK_SIZE_BYTES;
}

/** A window that holds it all, and no longer than need be: its memory is made anew for each piece. */
function windowLogFor(sizeBytes: number): number {
  const needed = Math.ceil(Math.log2(Math.max(SMALL_SIZE_BYTES, sizeBytes)));
  return Math.min(WINDOW_LOG, needed);
}

/** Reads one frame, which is what an object is. Node ignores bytes that follow it, so callers compare size and hash. */
function createDecompressor(expectedSizeBytes = Number.POSITIVE_INFINITY): ZstdDecompress {
  return createZstdDecompress({ chunkSize: chunkSizeFor(expectedSizeBytes), params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX } });
}

function refuseEncrypted(key: string): void {
  const locked = keySetOf(key);
  if (locked === undefined) return;
  const sentence = `${key} is encrypted by ${locked.cipher} for the key set ${locked.keySet}, and the config has no encryption for its repository`;
  throw new RstowError('wrong-key', sentence, { details: { key, keySet: locked.keySet } });
}

function decompressionError(error: unknown, key: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code !== 'Z_BUF_ERROR' && !code.startsWith('ZSTD_error_')) return error;
  const found = code === 'Z_BUF_ERROR' ? 'truncated-object' : 'damaged-object';
  return new RstowError(found, `${key} is not a complete zstd frame (${(error as Error).message})`, { details: { key }, cause: error });
}
