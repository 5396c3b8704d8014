import { randomUUID } from 'node:crypto';
import { type Signature, type Statement, statementText } from '../../core/authority/statement.ts';
import { publicKeyOf, signingKeyOf } from './ssh-key.ts';

/** An operator's key as its holder has it. */
export type OperatorKey = {
  /** @see SigningKey */
  publicLine: string;
  sign(statement: Statement, nowMs: number): Signature;
};

/** Fails: invalid-config, naming the file and nothing of its text. */
export function operatorKeyOf(text: string, path: string): OperatorKey {
  const key = signingKeyOf(text, path);
  return {
    publicLine: key.publicLine,
    sign: (statement, nowMs) => {
      const signing = { keyId: key.keyId, signedAtMs: nowMs, nonce: randomUUID() };
      return { ...signing, value: key.sign(Buffer.from(statementText(statement, signing))).toString('base64') };
    },
  };
}

/** The fingerprint of a public key's line. */
export function keyIdOf(publicLine: string): string {
  return publicKeyOf(publicLine).keyId;
}

/** Whether the holder of the key has signed this very statement. */
export function isSignedBy(publicLine: string, statement: Statement, signature: Signature): boolean {
  const { value, ...signing } = signature;
  return publicKeyOf(publicLine).isSigned(Buffer.from(statementText(statement, signing)), Buffer.from(value, 'base64'));
}
