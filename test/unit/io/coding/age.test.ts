import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { armor, Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';
import { createAgeDecryptor, createAgeEncryptor, fileKeyOf } from '../../../../src/io/coding/age.ts';
import { throughStages } from '../../../support/through-stages.ts';

/** Made by `age -r … -r …` 1.1.1. */
const VECTOR = {
  identities: [
    'AGE-SECRET-KEY-1SQ7ASWQM9VT9VLR42FFNXWTMT7JTF4K65CT7W823FA0V6VPVHS5QTTDR0Z',
    'AGE-SECRET-KEY-1MPF6N2RMPC3W6M5AAURVPLDC6C8GU8MDM6MZXUDTGDMW7RUQDAEQAYRNRY',
  ],
  object:
    'YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBBREZoc096RVJnY1Irak5LcjhCUllCTHB3UGhxN2dlTVJZdm01VVdHSlU4Cmhlamo1dkpIYUlubGtJZUJ0dmtma0grZlI0dFNTR3RQMTRZZlRiNWo4elkKLT4gWDI1NTE5IDhQZCtoY0xBaXhKWHJPVHFQZS9neHBpbzVHUjFNamhxaWRhcDg4djE0eGMKdEhrOWlxNnQwdm9VbzhOSDVabS94cDh0bi9zbDl2cEdYMVp0TDdoaWoyWQotLS0gWm13ZUpoS1pzMjhuOFAyS1FVTncxeFFEZ3c0TklLZWlGY05nNmJrRnVDOArEdlwrbnjdLpubqlODNkoGgMg7JWZX90Dq6sJmQHW38PVYuO04wSIj7sp/4wSKnYU=',
};

const BLOCK = 64 * 1024;
/** One side of each edge of a block, and several blocks. */
const SIZES = [0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, 2 * BLOCK + 1, 5 * BLOCK + 77];

let identity: string;
let recipient: string;

beforeAll(async () => {
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
});

const encrypted = (plain: Uint8Array, recipients = [recipient]): Promise<Buffer> =>
  throughStages(plain, [createAgeEncryptor(() => Promise.resolve(recipients))]);

function decrypted(object: Uint8Array, secrets = [identity], chunkBytes?: number): Promise<Buffer> {
  const unlock = async (header: Buffer): Promise<Uint8Array> => {
    const fileKey = await fileKeyOf('an object', header, secrets);
    if (fileKey === undefined) throw new RstowError('wrong-key', 'an object is for others');
    return fileKey;
  };
  return throughStages(object, createAgeDecryptor('an object', unlock), chunkBytes);
}

async function faultOf(object: Uint8Array): Promise<string> {
  return decrypted(object).then(
    () => 'opened',
    (error: unknown) => (error instanceof RstowError ? error.code : String(error)),
  );
}

describe('age', () => {
  it('opens what the age program has encrypted, by either identity', async () => {
    for (const secret of VECTOR.identities) {
      expect((await decrypted(Buffer.from(VECTOR.object, 'base64'), [secret])).toString()).toBe('a vector of age\n');
    }
  });

  it.each(SIZES)('gives %i bytes back, to its own reader and to the library’s', async (sizeBytes) => {
    const plain = randomBytes(sizeBytes);
    const object = await encrypted(plain);
    expect((await decrypted(object)).equals(plain)).toBe(true);
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    expect(Buffer.from(await decrypter.decrypt(object)).equals(plain)).toBe(true);
  });

  it.each(SIZES)('opens %i bytes that the library has encrypted', async (sizeBytes) => {
    const plain = randomBytes(sizeBytes);
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    expect((await decrypted(await encrypter.encrypt(plain))).equals(plain)).toBe(true);
  });

  it('opens an object however it is cut', async () => {
    const plain = randomBytes(BLOCK + 10);
    const object = await encrypted(plain);
    for (const chunkBytes of [1, 7, 300, BLOCK]) expect((await decrypted(object, [identity], chunkBytes)).equals(plain)).toBe(true);
  });

  it('encrypts the same bytes anew each time', async () => {
    const plain = Buffer.from('the same bytes');
    expect((await encrypted(plain)).equals(await encrypted(plain))).toBe(false);
  });

  it('opens by any recipient’s identity, and by no other', async () => {
    const other = await generateX25519Identity();
    const object = await encrypted(Buffer.from('for two'), [recipient, await identityToRecipient(other)]);
    expect((await decrypted(object, [other])).toString()).toBe('for two');
    expect((await decrypted(object, [await generateX25519Identity(), identity])).toString()).toBe('for two');
    await expect(decrypted(object, [await generateX25519Identity()])).rejects.toMatchObject({ code: 'wrong-key' });
    await expect(decrypted(object, [])).rejects.toMatchObject({ code: 'wrong-key' });
  });

  it('calls a small object truncated or damaged wherever it ends', async () => {
    const object = await encrypted(Buffer.from('a small object'));
    for (let sizeBytes = 0; sizeBytes < object.length; sizeBytes += 1) {
      expect(['truncated-object', 'damaged-object'], `cut to ${sizeBytes}`).toContain(await faultOf(object.subarray(0, sizeBytes)));
    }
  });

  it('calls an object truncated that ends between two blocks, or in its header', async () => {
    const object = await encrypted(randomBytes(2 * BLOCK + 100));
    const headBytes = object.length - (2 * BLOCK + 100 + 3 * 16);
    for (const sizeBytes of [0, 10, headBytes - 1, headBytes, headBytes + BLOCK + 16, headBytes + 2 * (BLOCK + 16)]) {
      expect(await faultOf(object.subarray(0, sizeBytes)), `cut to ${sizeBytes}`).toBe('truncated-object');
    }
  });

  it('opens no object of which any byte is another', async () => {
    const object = await encrypted(Buffer.from('a small object'));
    for (let position = 0; position < object.length; position += 1) {
      const flipped = Buffer.from(object);
      flipped[position] = (flipped[position] as number) ^ (1 << (position % 8));
      expect(['truncated-object', 'damaged-object', 'wrong-key'], `byte ${position}`).toContain(await faultOf(flipped));
    }
  });

  it('opens no object whose blocks are in another order, left out, or behind its end', async () => {
    const object = await encrypted(randomBytes(3 * BLOCK));
    const headBytes = object.length - 3 * (BLOCK + 16);
    const block = (index: number): Buffer => object.subarray(headBytes + index * (BLOCK + 16), headBytes + (index + 1) * (BLOCK + 16));
    const made = (...indexes: number[]): Buffer => Buffer.concat([object.subarray(0, headBytes), ...indexes.map(block)]);
    expect(await faultOf(made(0, 1, 2))).toBe('opened');
    for (const wrong of [made(1, 0, 2), made(0, 2), made(2), made(0, 1, 2, 2), Buffer.concat([object, Buffer.from('more')])]) {
      expect(await faultOf(wrong)).toBe('damaged-object');
    }
  });

  it('calls what is no object of age damaged, without waiting for its end', async () => {
    expect(await faultOf(randomBytes(1000))).toBe('damaged-object');
    expect(await faultOf(Buffer.concat([Buffer.from('age-encryption.org/v1\n'), Buffer.alloc(1_000_000, 'a')]))).toBe('damaged-object');
    expect(await faultOf(Buffer.from(armor.encode(await encrypted(Buffer.from('armored')))))).toBe('damaged-object');
  });
});
