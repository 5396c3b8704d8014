import type { Signature, Statement } from '../core/authority/statement.ts';
import { type Field, integerField, objectField, textField } from './input-field.ts';

/** A run's memo: the signature of its start. */
export const SIGNATURE_MEMO = 'rstowSignature';

/** An operator's private key, as its holder has it. */
export type Signer = { sign(statement: Statement, nowMs: number): Signature };

export const signatureField: Field<Signature> = objectField({
  keyId: textField(64),
  signedAtMs: integerField(0, Number.MAX_SAFE_INTEGER),
  nonce: textField(36),
  value: textField(128),
});

/** Fails: invalid-input. */
export const parseSignature = (value: unknown): Signature => signatureField(value, 'signature');
