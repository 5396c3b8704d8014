import { crc32c as nativeCrc32c } from '@node-rs/crc32';

/** CRC-32C (Castagnoli), the checksum of each WAL record; unsigned 32 bits. Native: the room src/core gets it as an argument. */
export const crc32c: (bytes: Uint8Array) => number = (bytes) => nativeCrc32c(bytes);
