import { crc32c } from '@node-rs/crc32';

/** The CRC-32C of some bytes as S3 writes it. */
export function checksumOf(bytes: Uint8Array): string {
  return base64Of(crc32c(bytes));
}

/** The same of bytes that come one after another. */
export function createChecksum(): { update(bytes: Uint8Array): void; base64(): string } {
  let crc = 0;
  return {
    update: (bytes) => void (crc = crc32c(bytes, crc)),
    base64: () => base64Of(crc),
  };
}

/** Four bytes, the highest first. */
function base64Of(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
