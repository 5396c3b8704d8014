import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Transform } from 'node:stream';
import { Decrypter, Encrypter } from 'age-encryption';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { createBlockStage } from './block-stage.ts';

/**
 * The format of age v1, which a plain `age -d` opens. The header, with all that is done to keys, is the work of age's own library for
 * TypeScript; the payload is enciphered by Node's OpenSSL, for that costs less CPU than a pipe to the `age` program, and a sixth of what
 * the library's own takes. @see https://c2sp.org/age
 */

const NONCE_SIZE_BYTES = 16;
const TAG_SIZE_BYTES = 16;
const BLOCK_SIZE_BYTES = 64 * 1024;
const CIPHER = 'chacha20-poly1305';

/** Some hundred recipients. What has no end of a header by then has none. */
const HEADER_SIZE_BYTES_MAX = 64 * 1024;
const HEADER_BEGINNING = 'age-encryption.org/v1\n';
const HEADER_END = '\n--- ';

/** Enciphers for each of the recipients, `age1…`, that `begin` gives. */
export function createAgeEncryptor(begin: () => Promise<readonly string[]>): Transform {
  let seal: ((block: Buffer, isLast: boolean) => Buffer) | undefined;
  return createBlockStage({
    sizeBytes: BLOCK_SIZE_BYTES,
    head: async () => {
      const { header, fileKey } = await newHeader(await begin());
      const nonce = randomBytes(NONCE_SIZE_BYTES);
      const key = payloadKey(fileKey, nonce);
      const nonceOf = createCounter();
      seal = (block, isLast) => sealed(key, nonceOf(isLast), block);
      return Buffer.concat([header, nonce]);
    },
    convert: (block, isLast) => (seal as NonNullable<typeof seal>)(block, isLast),
  });
}

/** Gives the file key of a header. Fails: wrong-key, damaged-object. */
export type Unlock = (header: Buffer) => Promise<Uint8Array>;

/** The two stages that open an object. Fails: truncated-object, damaged-object; as `unlock`. */
export function createAgeDecryptor(key: string, unlock: Unlock): [Transform, Transform] {
  let openBlock: ((block: Buffer, isLast: boolean) => Buffer) | undefined;
  const header = createHeaderStage(key, async (head, nonce) => {
    openBlock = createBlockOpener(key, payloadKey(await unlock(head), nonce));
  });
  const blocks = createBlockStage({
    sizeBytes: BLOCK_SIZE_BYTES + TAG_SIZE_BYTES,
    convert: (block, isLast) => (openBlock as NonNullable<typeof openBlock>)(block, isLast),
  });
  return [header, blocks];
}

/** The file key, or undefined if none of the identities is among the recipients. Fails: damaged-object, naming the key. */
export async function fileKeyOf(key: string, header: Uint8Array, secrets: readonly string[]): Promise<Uint8Array | undefined> {
  const decrypter = new Decrypter();
  const unmatched: string[] = [];
  for (const secret of secrets) decrypter.addIdentity(secret);
  // They are asked in order, until one has matched.
  decrypter.addIdentity({
    unwrapFileKey: () => {
      unmatched.push(key);
      return null;
    },
  });
  try {
    return await decrypter.decryptHeader(header);
  } catch (error) {
    if (unmatched.length > 0) return undefined;
    throw damaged(key, `has no valid header of age (${(error as Error).message})`, error);
  }
}

/** Where the header ends, behind its last line; undefined if more is needed. Fails: damaged-object. */
function headerEndOf(key: string, head: Buffer): number | undefined {
  const beginning = head.toString('latin1', 0, HEADER_BEGINNING.length);
  if (!HEADER_BEGINNING.startsWith(beginning)) throw damaged(key, 'does not begin as what age has encrypted');
  const mac = head.indexOf(HEADER_END, 0, 'latin1');
  const end = mac < 0 ? -1 : head.indexOf('\n', mac + HEADER_END.length, 'latin1');
  if (end >= 0) return end + 1;
  if (head.length > HEADER_SIZE_BYTES_MAX) throw damaged(key, 'has no end of a header of age');
  return undefined;
}

/** The library makes a header only together with a payload, and hands the file key to whoever is a recipient. */
async function newHeader(recipients: readonly string[]): Promise<{ header: Buffer; fileKey: Uint8Array }> {
  const encrypter = new Encrypter();
  let fileKey = new Uint8Array();
  encrypter.addRecipient({
    wrapFileKey: (key) => {
      fileKey = Uint8Array.from(key);
      return [];
    },
  });
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  const whole = Buffer.from(await encrypter.encrypt(new Uint8Array()));
  return { header: whole.subarray(0, whole.length - NONCE_SIZE_BYTES - TAG_SIZE_BYTES), fileKey };
}

/** Takes header and nonce from the beginning, and lets the rest pass once `open` is done. */
function createHeaderStage(key: string, open: (header: Buffer, nonce: Buffer) => Promise<void>): Transform {
  let head: Buffer | undefined = Buffer.alloc(0);
  const take = async (chunk: Buffer): Promise<Buffer | undefined> => {
    head = Buffer.concat([head as Buffer, chunk]);
    const end = headerEndOf(key, head);
    if (end === undefined || head.length < end + NONCE_SIZE_BYTES) return undefined;
    const whole = head;
    await open(whole.subarray(0, end), whole.subarray(end, end + NONCE_SIZE_BYTES));
    head = undefined;
    return whole.subarray(end + NONCE_SIZE_BYTES);
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      if (head === undefined) callback(null, chunk);
      else take(chunk).then((rest) => callback(null, rest), callback);
    },
    flush(callback) {
      callback(head === undefined ? null : cutShort(key));
    },
  });
}

function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32));
}

/** The nonce of each block: a counter of 11 bytes, big-endian, and whether it is the last one. */
function createCounter(): (isLast: boolean) => Buffer {
  let count = 0n;
  return (isLast) => {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(count, 3);
    nonce[11] = isLast ? 1 : 0;
    count += 1n;
    return nonce;
  };
}

/** Fails: truncated-object, damaged-object. */
function createBlockOpener(key: string, payload: Buffer): (block: Buffer, isLast: boolean) => Buffer {
  const nonceOf = createCounter();
  let isFirst = true;
  return (block, isLast) => {
    const nonce = nonceOf(isLast);
    const plain = opened(payload, nonce, block);
    // A last block is empty only if there is no other.
    const isInOrder = plain !== undefined && (plain.length > 0 || isFirst);
    isFirst = false;
    if (isInOrder) return plain;
    if (isLast && (block.length <= TAG_SIZE_BYTES || opened(payload, notLast(nonce), block) !== undefined)) throw cutShort(key);
    throw damaged(key, 'is damaged or cut short: age’s own checksum does not fit');
  };
}

function notLast(nonce: Buffer): Buffer {
  return Buffer.concat([nonce.subarray(0, -1), Buffer.from([0])]);
}

function sealed(key: Buffer, nonce: Buffer, block: Buffer): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_SIZE_BYTES });
  const enciphered = cipher.update(block);
  cipher.final();
  return Buffer.concat([enciphered, cipher.getAuthTag()]);
}

/** Undefined if it is not what was sealed. */
function opened(key: Buffer, nonce: Buffer, block: Buffer): Buffer | undefined {
  const end = block.length - TAG_SIZE_BYTES;
  if (end < 0) return undefined;
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_SIZE_BYTES });
  decipher.setAuthTag(block.subarray(end));
  const plain = decipher.update(block.subarray(0, end));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

function cutShort(key: string): RstowError {
  return new RstowError('truncated-object', `${key} is cut short`, { details: { key } });
}

function damaged(key: string, what: string, cause?: unknown): RstowError {
  return new RstowError('damaged-object', `${key} ${what}`, { details: { key }, cause });
}
