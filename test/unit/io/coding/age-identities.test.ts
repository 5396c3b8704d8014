import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { armor, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { readAgeIdentities } from '../../../../src/io/coding/age-identities.ts';

const IDENTITY = 'AGE-SECRET-KEY-1SQ7ASWQM9VT9VLR42FFNXWTMT7JTF4K65CT7W823FA0V6VPVHS5QTTDR0Z';
const RECIPIENT = 'age1ajjjjyqmfgqzl7j8fyh62jaf3544wm3cuk84fet8megehdejy4dquj9dqf';

let folder: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'age-identities-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function secretFile(text: string | Uint8Array, mode = 0o600): Promise<string> {
  const path = join(folder, `secret-${(count += 1)}`);
  await writeFile(path, text, { mode });
  return path;
}

/** As `age -p` does, but for the second of work. */
async function encryptedText(text: string, passphrase: string): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(10);
  return encrypter.encrypt(text);
}

describe('identities of age', () => {
  it('are those of all files, in their order', async () => {
    const [one, other] = [await generateX25519Identity(), await generateX25519Identity()];
    const files = [await secretFile(`# created: today\n# public key: age1…\n${IDENTITY}\n`), await secretFile(`${one}\n\n${other}`)];
    expect(await readAgeIdentities({ identityFiles: files })).toEqual({
      secrets: [IDENTITY, one, other],
      recipients: [RECIPIENT, await identityToRecipient(one), await identityToRecipient(other)],
    });
  });

  it('may be encrypted by a passphrase', async () => {
    const encrypted = await encryptedText(IDENTITY, 'open sesame');
    const identityFiles = [await secretFile(encrypted), await secretFile(armor.encode(encrypted))];
    const passphraseFile = await secretFile('open sesame\n');
    expect((await readAgeIdentities({ identityFiles, passphraseFile })).recipients).toEqual([RECIPIENT, RECIPIENT]);
    const wrong = readAgeIdentities({ identityFiles, passphraseFile: await secretFile('open barley\n') });
    await expect(wrong).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('is not opened by the passphrase of') as string,
    });
    await expect(readAgeIdentities({ identityFiles })).rejects.toThrow('name the file that holds it as identityPassphraseFile');
  });

  it('are refused by the file’s name, without its text', async () => {
    const encrypted = Buffer.from(await encryptedText(IDENTITY, 'open sesame'));
    const cases: [string | Uint8Array, string][] = [
      ['# nothing\n', 'holds no identity'],
      [`${IDENTITY.slice(0, -1)}Q\n`, 'no identity of age'],
      ['AGE-PLUGIN-YUBIKEY-1QQPQZ\n', 'no identity of age'],
      ['-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n', 'no identity of age'],
      [encrypted.subarray(0, -1), 'is damaged or cut short'],
      [armor.encode(encrypted).slice(0, 200), 'is not opened'],
    ];
    for (const [text, what] of cases) {
      const path = await secretFile(text);
      const refusal: Error = await readAgeIdentities({ identityFiles: [path], passphraseFile: await secretFile('open sesame') }).then(
        () => new Error('read'),
        (error: unknown) => error as Error,
      );
      expect(refusal).toMatchObject({ code: 'invalid-config' });
      expect(refusal.message).toContain(`${path} `);
      expect(refusal.message).toContain(what);
      expect(refusal.message).not.toContain('SECRET-KEY-1SQ7');
    }
  });

  it('are refused if others can read them', async () => {
    await expect(readAgeIdentities({ identityFiles: [await secretFile(IDENTITY, 0o644)] })).rejects.toThrow(
      'open to every user of this host',
    );
  });
});
