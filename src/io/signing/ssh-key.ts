import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { RstowError } from '../../core/errors/rstow-error.ts';

/** An Ed25519 key as its holder has it: it signs, and says nothing of itself but its public half. */
export type SigningKey = PublicKey & {
  /** One line, as config files and `authorized_keys` have it: `ssh-ed25519 AAAA…`. */
  publicLine: string;
  /** 64 bytes. */
  sign(bytes: Uint8Array): Buffer;
};

export type PublicKey = {
  /** The fingerprint: `SHA256:…`, as `ssh-keygen -l` shows it. */
  keyId: string;
  /** In SSH's own encoding. */
  blob: Buffer;
  isSigned(bytes: Uint8Array, signature: Uint8Array): boolean;
};

export const KEY_TYPE = 'ssh-ed25519';
const RAW_SIZE_BYTES = 32;
const PREFIX = Buffer.concat([sshString(KEY_TYPE), Buffer.from([0, 0, 0, RAW_SIZE_BYTES])]);

/** The text of a new private key: PKCS #8, PEM. */
export function newPrivateKeyText(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/** Fails: invalid-config, naming the file and nothing of its text. */
export function signingKeyOf(text: string, path: string): SigningKey {
  const privateKey = privateKeyOf(text, path);
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const publicLine = `${KEY_TYPE} ${Buffer.concat([PREFIX, Buffer.from(x, 'base64url')]).toString('base64')}`;
  return Object.assign(publicKeyOf(publicLine), { publicLine, sign: (bytes: Uint8Array): Buffer => sign(null, bytes, privateKey) });
}

/** Of a line that the config's schema has checked; what follows the key in it is of no matter. */
export function publicKeyOf(publicLine: string): PublicKey {
  return publicKeyOfBlob(Buffer.from(publicLine.split(/\s+/)[1] ?? '', 'base64'));
}

/** Of a key in SSH's encoding, which begins as each of an Ed25519 key does. */
export function publicKeyOfBlob(blob: Buffer): PublicKey {
  const x = blob.subarray(-RAW_SIZE_BYTES).toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const keyId = `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
  return { keyId, blob, isSigned: (bytes, signature) => verify(null, bytes, key, signature) };
}

export function isKeyBlob(blob: Buffer): boolean {
  return blob.length === PREFIX.length + RAW_SIZE_BYTES && blob.subarray(0, PREFIX.length).equals(PREFIX);
}

/** As SSH writes a text or bytes: behind their length, 4 bytes. */
export function sshString(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function privateKeyOf(text: string, path: string): KeyObject {
  try {
    const key = createPrivateKey(text);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // What the parser says may quote the text.
  }
  throw new RstowError('invalid-config', `${path} holds no Ed25519 private key, such as \`rstow keygen\` makes`, { details: { path } });
}
