import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { type Signature, type Statement, statementText } from '../../core/authority/statement.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';

/** An operator's key as its holder has it: it signs, and says nothing of itself but its public half. */
export type OperatorKey = {
  /** One line, as the agents' config files and `authorized_keys` have it: `ssh-ed25519 AAAA…`. */
  publicLine: string;
  sign(statement: Statement, nowMs: number): Signature;
};

const TYPE = 'ssh-ed25519';
/** In SSH's own encoding: the type and the 32 bytes, each behind its length. */
const PREFIX = Buffer.concat([Buffer.from([0, 0, 0, TYPE.length]), Buffer.from(TYPE), Buffer.from([0, 0, 0, 32])]);
const RAW_SIZE_BYTES = 32;

/** The text of a new private key: PKCS #8, PEM. */
export function newPrivateKeyText(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/** Fails: invalid-config, naming the file and nothing of its text. */
export function operatorKeyOf(text: string, path: string): OperatorKey {
  const privateKey = privateKeyOf(text, path);
  const blob = blobOf(createPublicKey(privateKey));
  const keyId = fingerprint(blob);
  return {
    publicLine: `${TYPE} ${blob.toString('base64')}`,
    sign: (statement, nowMs) => {
      const signing = { keyId, signedAtMs: nowMs, nonce: randomUUID() };
      return { ...signing, value: sign(null, Buffer.from(statementText(statement, signing)), privateKey).toString('base64') };
    },
  };
}

/** The fingerprint of a public key's line. */
export function keyIdOf(publicLine: string): string {
  return fingerprint(blobOfLine(publicLine));
}

/** Whether the holder of the key has signed this very statement. */
export function isSignedBy(publicLine: string, statement: Statement, signature: Signature): boolean {
  const { value, ...signing } = signature;
  return verify(null, Buffer.from(statementText(statement, signing)), publicKeyOf(publicLine), Buffer.from(value, 'base64'));
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

function blobOfLine(publicLine: string): Buffer {
  return Buffer.from(publicLine.split(/\s+/)[1] ?? '', 'base64');
}

function publicKeyOf(publicLine: string): KeyObject {
  const x = blobOfLine(publicLine).subarray(-RAW_SIZE_BYTES).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

function blobOf(publicKey: KeyObject): Buffer {
  const { x = '' } = publicKey.export({ format: 'jwk' });
  return Buffer.concat([PREFIX, Buffer.from(x, 'base64url')]);
}

function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}
