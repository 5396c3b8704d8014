/** Keys of repositories, as an operator makes them, and hosts that have them or lack them. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { secretKeysOf } from '../../src/io/coding/gpg.ts';
import { type DatabaseStack, stackOf } from './database-stack.ts';
import { runProgram } from './run-program.ts';

export type AgeKey = { recipient: string; file: string; secret: string };

/** A folder for secrets, until the running test ends. */
export async function secretFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-keys-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function newAgeKey(folder: string): Promise<AgeKey> {
  const secret = await generateX25519Identity();
  const recipient = await identityToRecipient(secret);
  const file = join(folder, `${recipient.slice(-8)}.agekey`);
  await writeFile(file, `# public key: ${recipient}\n${secret}\n`, { mode: 0o600 });
  return { recipient, file, secret };
}

export async function newPassphrase(folder: string): Promise<{ file: string; passphrase: string }> {
  const passphrase = randomBytes(24).toString('base64');
  const file = join(folder, `passphrase-${randomBytes(4).toString('hex')}`);
  await writeFile(file, `${passphrase}\n`, { mode: 0o600 });
  return { file, passphrase };
}

export type GpgHomes = {
  fingerprint: string;
  /** With the secret key. */ home: string;
  /** With the public key alone. */ publicHome: string;
};

export async function newGpgHomes(folder: string): Promise<GpgHomes> {
  const [home, publicHome] = [join(folder, 'gnupg'), join(folder, 'gnupg-public')];
  await mkdir(home, { mode: 0o700 });
  await mkdir(publicHome, { mode: 0o700 });
  const gpg = ['--batch', '--quiet', '--homedir', home, '--passphrase', ''];
  await runProgram('gpg', [...gpg, '--quick-generate-key', 'Backup <backup@example.org>', 'ed25519', 'cert', 'never']);
  const [fingerprint] = (await secretKeysOf(home)) as [string];
  await runProgram('gpg', [...gpg, '--quick-add-key', fingerprint, 'cv25519', 'encr', 'never']);
  const file = join(folder, 'public.gpg');
  await runProgram('gpg', [...gpg, '--output', file, '--export', fingerprint]);
  await runProgram('gpg', ['--batch', '--quiet', '--no-autostart', '--homedir', publicHome, '--import', file]);
  return { fingerprint, home, publicHome };
}

/** The same host and the same repositories, but for what the config says of how the first one is encrypted. */
export function encryptedBy(stack: DatabaseStack, encryption: object | undefined): Promise<DatabaseStack> {
  const { plain, folder, dataDir, repositoryDir } = stack;
  const local = { ...(plain.repositories['local'] as object), encryption };
  return stackOf({ ...plain, repositories: { ...plain.repositories, local } }, { folder, dataDir, repositoryDir });
}
