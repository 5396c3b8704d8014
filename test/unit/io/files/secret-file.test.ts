import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSecretFile } from '../../../../src/io/files/secret-file.ts';

describe('readSecretFile', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rstow-secret-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function secretFile(text: string, mode: number): Promise<string> {
    const path = join(folder, `${mode.toString(8)}-${text.length}`);
    await writeFile(path, text);
    await chmod(path, mode);
    return path;
  }

  it.each([0o400, 0o600, 0o640])('reads a file with mode %o and trims it', async (mode) => {
    expect(await readSecretFile(await secretFile(' open sesame\n', mode))).toBe('open sesame');
  });

  it.each([0o644, 0o604, 0o602])('refuses mode %o, which lets every user in, and does not tell the secret', async (mode) => {
    const refusal = await readSecretFile(await secretFile('open sesame', mode)).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'invalid-config', details: { mode: `0${mode.toString(8)}` } });
    expect(JSON.stringify(refusal) + String(refusal)).not.toContain('sesame');
  });

  it.each([0o640, 0o660, 0o604])('refuses mode %o where the secret is its owner’s alone', async (mode) => {
    const path = await secretFile('open sesame', mode);
    await expect(readSecretFile(path, { isOwnersAlone: true })).rejects.toMatchObject({ code: 'invalid-config' });
    await chmod(path, 0o600);
    expect(await readSecretFile(path, { isOwnersAlone: true })).toBe('open sesame');
  });

  it('refuses an empty file, a missing one and one above 64 KiB', async () => {
    await expect(readSecretFile(await secretFile(' \n', 0o600))).rejects.toMatchObject({ code: 'invalid-config' });
    await expect(readSecretFile(join(folder, 'missing'))).rejects.toMatchObject({ code: 'invalid-config' });
    await expect(readSecretFile(await secretFile('x'.repeat(65 * 1024), 0o600))).rejects.toMatchObject({ code: 'invalid-config' });
  });
});
