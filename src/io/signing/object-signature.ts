import { createHash } from 'node:crypto';
import type { ObjectSignature, Refusal, Signing } from '../../core/repository/signing.ts';
import { isKeyBlob, KEY_TYPE, type PublicKey, publicKeyOf, publicKeyOfBlob, type SigningKey, sshString } from './ssh-key.ts';

/** Says what a signature is for: one of an operator, or of a commit, is none of an object. */
const NAMESPACE = 'rstow-repository';

/** What `ssh-keygen -Y sign` writes between its two lines. @see openssh-portable PROTOCOL.sshsig */
const MAGIC = Buffer.from('SSHSIG');
const HASH = 'sha512';
const VERSION = Buffer.from([0, 0, 0, 1]);
const SIGNATURE_SIZE_BYTES = 64;
/** What stands between the key and the signature: the same in each. */
const BETWEEN = [sshString(NAMESPACE), sshString(''), sshString(HASH)];

/** So many names are known by heart: an hour's small objects of an archive, which are listed each minute. */
const KNOWN_MAX = 20_000;

/**
 * Signs with the agent's own key. The signatures of `signers`, which are public lines, count besides; if there are none given, an object need not bear
 * a signature, and one that it bears has to be right, whoever made it.
 */
export function signingBy(own: SigningKey, signers?: readonly string[], onPassedOver: Signing['onPassedOver'] = () => undefined): Signing {
  const known = new Set<string>();
  const trusted = signers === undefined ? undefined : [own, ...signers.map(publicKeyOf)];
  return {
    isRequired: trusted !== undefined,
    sign: (text) => ({ signer: own.keyId, value: packed(own.blob, own.sign(toBeSigned(text))).toString('base64') }),
    refusalOf: (text, signature) => refusalOf(text, signature, trusted),
    signInName: (text) => own.sign(toBeSigned(text)).toString('base64url'),
    isSignedInName: (text, value) => {
      const name = `${value} ${text}`;
      if (known.has(name)) return true;
      if (!isSignedByOne(trusted ?? [own], text, Buffer.from(value, 'base64url'))) return false;
      if (known.size >= KNOWN_MAX) known.clear();
      known.add(name);
      return true;
    },
    onPassedOver,
  };
}

function refusalOf(text: string, signature: ObjectSignature | undefined, trusted: readonly PublicKey[] | undefined): Refusal | undefined {
  if (signature === undefined) return trusted === undefined ? undefined : untrusted('bears no signature');
  const { signer, value } = signature;
  const unpacked = unpack(Buffer.from(value, 'base64'));
  const key = unpacked === undefined ? undefined : publicKeyOfBlob(unpacked.blob);
  if (unpacked === undefined || key?.keyId !== signer) {
    return { code: 'damaged-object', why: 'bears a signature that is none' };
  }
  if (trusted?.every(({ keyId }) => keyId !== signer) === true) {
    return untrusted(`is signed by ${signer}, which is none of the repository's signers`);
  }
  if (key.isSigned(toBeSigned(text), unpacked.signature)) return undefined;
  return untrusted('bears the signature of something else: it was changed, or is an object of another name');
}

function untrusted(why: string): Refusal {
  return { code: 'untrusted-object', why };
}

/** The signer isn't named there: a name has little room. */
function isSignedByOne(keys: readonly PublicKey[], text: string, signature: Uint8Array): boolean {
  const bytes = toBeSigned(text);
  return keys.some((key) => key.isSigned(bytes, signature));
}

function toBeSigned(text: string): Buffer {
  return Buffer.concat([MAGIC, ...BETWEEN, sshString(createHash(HASH).update(text).digest())]);
}

function packed(blob: Buffer, signature: Buffer): Buffer {
  const own = Buffer.concat([sshString(KEY_TYPE), sshString(signature)]);
  return Buffer.concat([MAGIC, VERSION, sshString(blob), ...BETWEEN, sshString(own)]);
}

/** Undefined if it is none, or made for another purpose: each part has one place, for all but two are the same in each. */
function unpack(bytes: Buffer): { blob: Buffer; signature: Buffer } | undefined {
  const blob = bytes.subarray(SIGNED_BY.startBytes, SIGNED_BY.endBytes);
  const signature = bytes.subarray(-SIGNATURE_SIZE_BYTES);
  return isKeyBlob(blob) && packed(blob, signature).equals(bytes) ? { blob, signature } : undefined;
}

const SIGNED_BY = { startBytes: MAGIC.length + VERSION.length + 4, endBytes: MAGIC.length + VERSION.length + 4 + 51 };
