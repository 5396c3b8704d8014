import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import type { EncryptionConfig } from '../../../../src/config/agent-config.ts';
import { encryptionSection } from '../../../../src/config/encryption.ts';
import type { KeySet } from '../../../../src/formats/repository/key-set.ts';
import { keySetOfPassphrase, keySetOfRecipients } from '../../../../src/io/coding/key-sets.ts';
import { openCoding } from '../../../../src/io/coding/open.ts';
import type { Coding } from '../../../../src/io/coding/port.ts';
import { zstdCoding } from '../../../../src/io/coding/zstd.ts';
import { throughStages } from '../../../support/through-stages.ts';

const ID = '11111111-1111-4111-8111-111111111111';
const PLAIN = Buffer.from('a log of orders '.repeat(1000));

let folder: string;
let count = 0;
type Key = { file: string; recipient: string };
let [one, other]: Key[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coding-'));
  [one, other] = [await newKey(), await newKey()];
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function secretFile(text: string): Promise<string> {
  const path = join(folder, `secret-${(count += 1)}`);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

async function newKey(): Promise<Key> {
  const secret = await generateX25519Identity();
  return { file: await secretFile(secret), recipient: await identityToRecipient(secret) };
}

const key = (of: Key | undefined): Key => of as Key;

/** Codings of one repository, which share what it says of key sets. */
function repository() {
  const sets = new Map<string, KeySet>();
  const keySets = {
    read: (keySet: string) => Promise.resolve(sets.get(keySet)),
    put: async (keySet: string, what: KeySet) => Promise.resolve(void sets.set(keySet, what)),
  };
  return {
    sets,
    coding: (encryption: object): Promise<Coding> => openCoding({ name: 'local', id: ID, keySets, encryption: parsed(encryption) }),
  };
}

const parsed = (encryption: object): EncryptionConfig => encryptionSection.parse(encryption);

async function stored(coding: Coding): Promise<{ key: string; object: Buffer }> {
  return { key: `an/object${coding.suffix}`, object: await throughStages(PLAIN, coding.encode(PLAIN.length)) };
}

async function opened(coding: Coding, { key: name, object }: { key: string; object: Buffer }): Promise<Buffer> {
  return throughStages(object, coding.decode(name, PLAIN.length));
}

describe('a coding with encryption', () => {
  it('stores under the name of its key set, which the order of recipients does not change', async () => {
    const { coding } = repository();
    const recipients = [key(one).recipient, key(other).recipient];
    const { suffix } = await coding({ kind: 'age', recipients });
    expect(suffix).toBe(`.zst.${keySetOfRecipients(recipients)}.age`);
    expect(suffix).toMatch(/^\.zst\.[0-9a-f]{8}\.age$/);
    expect((await coding({ kind: 'age', recipients: [...recipients].reverse() })).suffix).toBe(suffix);
    expect((await coding({ kind: 'age', recipients: [key(one).recipient] })).suffix).not.toBe(suffix);
  });

  it('opens what any of its identities opens, and what is not encrypted', async () => {
    const { coding } = repository();
    const former = await stored(await coding({ kind: 'age', recipients: [key(one).recipient] }));
    const both = await coding({ kind: 'age', recipients: [key(other).recipient], identityFiles: [key(other).file, key(one).file] });
    for (const object of [former, await stored(both), await stored(zstdCoding)])
      expect((await opened(both, object)).equals(PLAIN)).toBe(true);
  });

  it('says of a key set whose keys open it, once it stores', async () => {
    const { sets, coding } = repository();
    const own = await coding({ kind: 'age', recipients: [key(one).recipient] });
    expect(sets.size).toBe(0);
    await stored(own);
    expect([...sets]).toEqual([
      [keySetOfRecipients([key(one).recipient]), { format: 1, cipher: 'age', by: 'recipients', recipients: [key(one).recipient] }],
    ]);
  });

  it('says it as well before it stores what comes encrypted', async () => {
    const { sets, coding } = repository();
    await (await coding({ kind: 'age', recipients: [key(one).recipient] })).announce();
    expect([...sets.keys()]).toEqual([keySetOfRecipients([key(one).recipient])]);
  });

  it('refuses what it has no key for by the name alone, and names recipients and file', async () => {
    const { coding } = repository();
    const { key: name, object } = await stored(await coding({ kind: 'age', recipients: [key(one).recipient] }));
    const without = await coding({ kind: 'age', recipients: [key(one).recipient] });
    const wrong = await coding({ kind: 'age', recipients: [key(other).recipient], identityFiles: [key(other).file] });
    for (const coded of [without, wrong]) {
      await expect(coded.requireKey(name)).rejects.toMatchObject({
        code: 'wrong-key',
        message: `${name} is encrypted by age for the key set ${keySetOfRecipients([key(one).recipient])}, of ${key(one).recipient}, and no key of it is on this host: repositories.local.encryption.identityFiles would name it`,
      });
      await expect(opened(coded, { key: name, object })).rejects.toMatchObject({ code: 'wrong-key' });
    }
    await expect(zstdCoding.requireKey(name)).rejects.toMatchObject({ code: 'wrong-key' });
    await wrong.requireKey('an/object.zst');
  });

  it('tries its identities on what nobody knows the recipients of', async () => {
    const own = { kind: 'age', recipients: [key(one).recipient] };
    const object = await stored(await repository().coding(own));
    const right = await repository().coding({ kind: 'age', recipients: [key(other).recipient], identityFiles: [key(one).file] });
    await right.requireKey(object.key);
    expect((await opened(right, object)).equals(PLAIN)).toBe(true);
    const wrong = await repository().coding({ kind: 'age', recipients: [key(other).recipient], identityFiles: [key(other).file] });
    await wrong.requireKey(object.key);
    await expect(opened(wrong, object)).rejects.toMatchObject({ code: 'wrong-key' });
  });

  it('calls an object damaged that its recipient can’t open', async () => {
    const own = await repository().coding({ kind: 'age', recipients: [key(one).recipient], identityFiles: [key(one).file] });
    const { key: name, object } = await stored(own);
    for (let position = 0; position < object.length; position += 1) {
      const flipped = Buffer.from(object);
      flipped[position] = (flipped[position] as number) ^ (1 << (position % 8));
      await expect(opened(own, { key: name, object: flipped }), `byte ${position}`).rejects.toMatchObject({
        code: expect.stringMatching(/^(damaged|truncated)-object$/) as string,
      });
    }
  });

  it('says once it opens something that an identity file is missing, and stores all the same', async () => {
    const own = await repository().coding({ kind: 'age', recipients: [key(one).recipient], identityFiles: [join(folder, 'missing')] });
    const object = await stored(own);
    await expect(opened(own, object)).rejects.toMatchObject({ code: 'invalid-config' });
  });
});

describe('a passphrase', () => {
  it('names another key set in another repository', async () => {
    const passphraseFile = await secretFile('correct horse battery staple\n');
    const { suffix } = await repository().coding({ kind: 'gpg', passphraseFile });
    expect(suffix).toBe(`.zst.${await keySetOfPassphrase('correct horse battery staple', ID)}.gpg`);
    expect(await keySetOfPassphrase('correct horse battery staple', ID.replace('1', '2'))).not.toBe(suffix.slice(5, 13));
  });

  it.each([
    ['short', 'less than 16 characters'],
    ['long enough for anybody \r\n', 'white space around it'],
    ['\nlong enough for anybody', 'less than 16 characters'],
  ])('such as %j is refused', async (text, what) => {
    const opening = repository().coding({ kind: 'gpg', passphraseFile: await secretFile(text) });
    await expect(opening).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringContaining(what) as string });
  });
});
