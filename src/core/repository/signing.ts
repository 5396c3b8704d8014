/** As a sealed object bears it: `signer` is the fingerprint of the key, `value` what `ssh-keygen -Y sign` would have made, base64. */
export type ObjectSignature = { signer: string; value: string };

/** `damaged-object`: it is no signature at all. `why` follows the object's name. */
export type Refusal = { code: 'damaged-object' | 'untrusted-object'; why: string };

/** In whose name a repository's objects are signed, and whose signatures count there. */
export type Signing = {
  /** Whether what bears no signature of a trusted key counts for nothing. */
  readonly isRequired: boolean;
  sign(text: string): ObjectSignature;
  /** Why the signature doesn't count for the text; undefined if it does, or if none is needed. */
  refusalOf(text: string, signature: ObjectSignature | undefined): Refusal | undefined;
  /** The same signature, as short as a name needs it: 86 letters of base64url. */
  signInName(text: string): string;
  isSignedInName(text: string, value: string): boolean;
  /** Takes the key of what counts for nothing, because nobody who is trusted has signed it. */
  onPassedOver(key: string): void;
};

/**
 * What is signed of an object: its name, and the SHA-256 of what it says, in a line such as `sha256sum` prints. So neither can be
 * exchanged, and the same object counts in every repository that it is copied to.
 */
export function signedText(key: string, sha256: string): string {
  return `${sha256}  ${key}\n`;
}
