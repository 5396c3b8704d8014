import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { signedText } from '../../../../src/core/repository/signing.ts';
import { signingBy } from '../../../../src/io/signing/object-signature.ts';
import { newPrivateKeyText, signingKeyOf } from '../../../../src/io/signing/ssh-key.ts';

const one = signingKeyOf(newPrivateKeyText(), 'one.key');
const other = signingKeyOf(newPrivateKeyText(), 'other.key');
const text = signedText('databases/orders/owner/00000001.json', 'ab'.repeat(32));

const NONE = { code: 'damaged-object', why: 'bears a signature that is none' };

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rstow-'));
});

afterAll(() => rm(dir, { recursive: true }));

it('counts for its own text, by whoever lists the key', () => {
  const signature = signingBy(one).sign(text);
  expect(signature.signer).toBe(one.keyId);
  expect(signingBy(one, []).refusalOf(text, signature)).toBeUndefined();
  expect(signingBy(other, [`${one.publicLine} db1`]).refusalOf(text, signature)).toBeUndefined();
  expect(signingBy(other).refusalOf(text, signature)).toBeUndefined();
  expect(signingBy(other, [other.publicLine]).refusalOf(text, signature)).toEqual({
    code: 'untrusted-object',
    why: `is signed by ${one.keyId}, which is none of the repository's signers`,
  });
});

it.each([
  ['another name', signedText('databases/orders/owner/00000002.json', 'ab'.repeat(32))],
  ['another content', signedText('databases/orders/owner/00000001.json', 'ac'.repeat(32))],
])('counts for no %s, whether signers are listed or not', (_what, otherText) => {
  const signature = signingBy(one).sign(text);
  for (const signing of [signingBy(one), signingBy(one, []), signingBy(other)]) {
    expect(signing.refusalOf(otherText, signature)?.why).toMatch(/^bears the signature of something else/);
  }
});

it('is needed only if signers are listed', () => {
  expect(signingBy(one).refusalOf(text, undefined)).toBeUndefined();
  expect(signingBy(one, []).refusalOf(text, undefined)).toEqual({ code: 'untrusted-object', why: 'bears no signature' });
});

it('takes no signature with a flipped bit, and none that is cut or longer', () => {
  const signing = signingBy(one, []);
  const signature = signing.sign(text);
  const refusalOf: typeof signing.refusalOf = (...of) => signing.refusalOf(...of);
  const bytes = Buffer.from(signature.value, 'base64');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Uint8Array.from(bytes);
    flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7));
    expect(refusalOf(text, { ...signature, value: Buffer.from(flipped).toString('base64') })).toBeDefined();
  }
  for (let sizeBytes = 0; sizeBytes < bytes.length; sizeBytes += 1) {
    expect(refusalOf(text, { ...signature, value: bytes.subarray(0, sizeBytes).toString('base64') })).toEqual(NONE);
  }
  expect(refusalOf(text, { ...signature, value: Buffer.concat([bytes, bytes]).toString('base64') })).toEqual(NONE);
  expect(refusalOf(text, { ...signature, signer: other.keyId })).toEqual(NONE);
});

it('is as good in a name', () => {
  const value = signingBy(one).signInName(text);
  expect(value).toMatch(/^[A-Za-z0-9_-]{86}$/);
  expect(signingBy(other, [one.publicLine]).isSignedInName(text, value)).toBe(true);
  expect(signingBy(one).isSignedInName(`${text} `, value)).toBe(false);
  expect(signingBy(other, [other.publicLine]).isSignedInName(text, value)).toBe(false);
  expect(signingBy(one).isSignedInName(text, value.slice(1))).toBe(false);
});

it('is checked by ssh-keygen, for its text and namespace alone', async () => {
  const file = join(dir, 'signature');
  const lines =
    signingBy(one)
      .sign(text)
      .value.match(/.{1,70}/g) ?? [];
  await writeFile(file, ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n'));
  await writeFile(join(dir, 'signers'), `db1 namespaces="rstow-repository" ${one.publicLine}\n`);
  const verify = async (stdin: string, namespace = 'rstow-repository'): Promise<string> => {
    const args = ['-Y', 'verify', '-f', join(dir, 'signers'), '-I', 'db1', '-n', namespace, '-s', file];
    const running = promisify(execFile)('ssh-keygen', args);
    running.child.stdin?.end(stdin);
    return (await running).stdout;
  };
  expect(await verify(text)).toContain(`Good "rstow-repository" signature for db1 with ED25519 key ${one.keyId}`);
  await expect(verify(`${text} `)).rejects.toThrow();
  await expect(verify(text, 'git')).rejects.toThrow();
});
