import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { createGpgDecryptor, createGpgEncryptor, type GpgKeys, type GpgTarget, secretKeysOf } from '../../src/io/coding/gpg.ts';
import { throughStages } from '../support/through-stages.ts';
import { lackOf } from '../support/tools.ts';

const run = promisify(execFile);

let folder: string;
let home: string;
let fingerprint: string;

const PASSPHRASE = 'correct horse battery staple';

const encrypted = (plain: Uint8Array, target: GpgTarget): Promise<Buffer> =>
  throughStages(plain, [createGpgEncryptor(() => Promise.resolve(target))]);

const wrongKey = (): RstowError => new RstowError('wrong-key', 'an object is for others');

function decrypted(object: Uint8Array, keys: GpgKeys, isKnown = true): Promise<Buffer> {
  return throughStages(object, [
    createGpgDecryptor('an object', () => Promise.resolve({ keys, wrongKey: isKnown ? undefined : wrongKey() })),
  ]);
}

async function faultOf(object: Uint8Array, keys: GpgKeys): Promise<string> {
  return decrypted(object, keys).then(
    () => 'opened',
    (error: unknown) => (error instanceof RstowError ? error.code : String(error)),
  );
}

const byPassphrase = { kind: 'passphrase', passphrase: PASSPHRASE } as const;
const toHome = (): GpgTarget => ({ kind: 'home', home, recipients: [fingerprint] });

const LACK = lackOf('gpg');

describe.skipIf(LACK !== '')(`objects encrypted by gpg${LACK}`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gpg-'));
    home = join(folder, 'home');
    await mkdir(home, { mode: 0o700 });
    const makeKey = (...args: string[]) => run('gpg', ['--homedir', home, '--batch', '--quiet', '--passphrase', '', ...args]);
    await makeKey('--quick-generate-key', 'Backup <backup@example.org>', 'ed25519', 'cert', 'never');
    [fingerprint] = (await secretKeysOf(home)) as [string];
    await makeKey('--quick-add-key', fingerprint, 'cv25519', 'encr', 'never');
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('gives back what it was given, by passphrase and by key', async () => {
    for (const sizeBytes of [0, 1, 100_000, 5_000_000]) {
      const plain = randomBytes(sizeBytes);
      expect((await decrypted(await encrypted(plain, byPassphrase), byPassphrase)).equals(plain)).toBe(true);
      expect((await decrypted(await encrypted(plain, toHome()), { kind: 'home', home })).equals(plain)).toBe(true);
    }
  });

  it('makes objects that a plain gpg -d opens', async () => {
    const [byPass, byKey, passphraseFile] = ['pass.gpg', 'key.gpg', 'passphrase'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 });
    await writeFile(byPass, await encrypted(Buffer.from('by passphrase'), byPassphrase));
    await writeFile(byKey, await encrypted(Buffer.from('by key'), toHome()));
    const plain = ['--batch', '--quiet', '--homedir', home];
    const opened = await run('gpg', [...plain, '--pinentry-mode', 'loopback', '--passphrase-file', passphraseFile, '-d', byPass]);
    expect(opened.stdout).toBe('by passphrase');
    expect((await run('gpg', [...plain, '-d', byKey])).stdout).toBe('by key');
    const packets = await run('gpg', [
      ...plain,
      '--pinentry-mode',
      'loopback',
      '--passphrase-file',
      passphraseFile,
      '--list-packets',
      byPass,
    ]);
    expect(packets.stdout).toContain('cipher 9'); // AES256
    expect(packets.stdout).not.toContain(':compressed packet:');
  });

  it('opens what a plain gpg has encrypted', async () => {
    const [file, passphraseFile] = [join(folder, 'theirs'), join(folder, 'their-passphrase')];
    await writeFile(file, 'theirs');
    await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 });
    const plain = ['--batch', '--quiet', '--homedir', home, '--pinentry-mode', 'loopback', '--passphrase-file', passphraseFile];
    const { stdout } = await run('gpg', [...plain, '--no-autostart', '--s2k-count', '65536', '--symmetric', '-o', '-', file], {
      encoding: 'buffer',
    });
    expect((await decrypted(stdout, byPassphrase)).toString()).toBe('theirs');
  });

  it('knows a wrong key if nobody knows better, and damage otherwise', async () => {
    const object = await encrypted(Buffer.from('by passphrase'), byPassphrase);
    const other = { kind: 'passphrase', passphrase: 'another passphrase' } as const;
    await expect(decrypted(object, other, false)).rejects.toMatchObject({ code: 'wrong-key' });
    await expect(decrypted(object, other, true)).rejects.toMatchObject({ code: 'damaged-object' });
    const strange = join(folder, 'strange');
    await mkdir(strange, { mode: 0o700 });
    const forOthers = await encrypted(Buffer.from('by key'), toHome());
    await expect(decrypted(forOthers, { kind: 'home', home: strange }, false)).rejects.toMatchObject({ code: 'wrong-key' });
  });

  it('calls an object truncated or damaged wherever it ends, and whichever byte is another', { timeout: 60_000 }, async () => {
    const object = await encrypted(Buffer.from('a small object'), byPassphrase);
    const faults = await Promise.all(
      Array.from({ length: object.length }, async (_none, position) => {
        const flipped = Buffer.from(object);
        flipped[position] = (flipped[position] as number) ^ (1 << (position % 8));
        return { position, cut: await faultOf(object.subarray(0, position), byPassphrase), other: await faultOf(flipped, byPassphrase) };
      }),
    );
    for (const { position, cut, other } of faults) {
      expect(['truncated-object', 'damaged-object'], `cut to ${position}`).toContain(cut);
      expect(['truncated-object', 'damaged-object'], `byte ${position}`).toContain(other);
    }
    expect(faults.slice(0, 12).map(({ cut }) => cut)).toContain('truncated-object');
    expect(await faultOf(object, byPassphrase)).toBe('opened');
    expect(await faultOf(Buffer.concat([object, Buffer.from('more')]), byPassphrase)).not.toBe('opened');
    expect(await faultOf(Buffer.concat([object, object]), byPassphrase)).not.toBe('opened');
  });

  it('takes no beginning of a message for a recipient as one, which ends well to gpg', async () => {
    const object = await encrypted(Buffer.from('a small object'), toHome());
    expect(await faultOf(object.subarray(0, 60), { kind: 'home', home })).toBe('truncated-object');
  });

  it('names the secret keys of a home, and starts no agent for one that has none', async () => {
    expect(await secretKeysOf(home)).toEqual([fingerprint]);
    const open = join(folder, 'open');
    await mkdir(open, { mode: 0o700 });
    const { stdout } = await run('gpg', ['--homedir', home, '--batch', '--armor', '--export', fingerprint]);
    await writeFile(join(folder, 'key.asc'), stdout);
    await run('gpg', ['--homedir', open, '--batch', '--quiet', '--no-autostart', '--import', join(folder, 'key.asc')]);
    expect(await secretKeysOf(open)).toEqual([]);
    expect((await readdir(open)).filter((name) => name.startsWith('S.gpg-agent'))).toEqual([]);
  });

  it('says that a recipient is not in the home', async () => {
    const nobody = encrypted(Buffer.from('for nobody'), { kind: 'home', home, recipients: ['0'.repeat(40)] });
    await expect(nobody).rejects.toMatchObject({ code: 'encryption-unsupported' });
  });
});
