import { createHash } from 'node:crypto';

/** A SHA-256 in the making; `digestHex` ends it. */
export type Sha256 = {
  update(bytes: Uint8Array): void;
  digestHex(): string;
};

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function createSha256(): Sha256 {
  const hash = createHash('sha256');
  return {
    update: (bytes) => void hash.update(bytes),
    digestHex: () => hash.digest('hex'),
  };
}
