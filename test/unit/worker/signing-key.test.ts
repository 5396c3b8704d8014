import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newPrivateKeyText } from '../../../src/io/signing/ssh-key.ts';
import { agentKey, ownSigningKey } from '../../../src/worker/signing-key.ts';

let stateDir: string;
let path: string;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'rstow-key-'));
  path = join(stateDir, 'signing.key');
});

afterEach(() => rm(stateDir, { recursive: true }));

test('the agent’s key is made once, for its owner alone, also if two begin at once', async () => {
  const keys = await Promise.all([ownSigningKey(stateDir), ownSigningKey(stateDir), ownSigningKey(stateDir)]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const text = await readFile(path, 'utf8');
  const again = await ownSigningKey(stateDir);
  expect(new Set([...keys, again].map(({ publicLine }) => publicLine)).size).toBe(1);
  expect(await readFile(path, 'utf8')).toBe(text);
  expect(await agentKey(undefined, stateDir)).toEqual({ file: path, publicLine: again.publicLine });
});

test('a key that others can read, or that is none, is refused with one sentence and left as it is', async () => {
  await writeFile(path, newPrivateKeyText(), { mode: 0o600 });
  await chmod(path, 0o640);
  await expect(ownSigningKey(stateDir)).rejects.toMatchObject({
    code: 'invalid-config',
    message: `${path} is open to others than its owner; make it 0600`,
  });
  await chmod(path, 0o600);
  for (const text of ['', 'no key']) {
    await writeFile(path, text);
    await expect(ownSigningKey(stateDir)).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining(path) as string,
    });
    expect(await readFile(path, 'utf8')).toBe(text);
  }
});

test('whoever only asks for the public line makes no key', async () => {
  await expect(agentKey(undefined, stateDir)).rejects.toMatchObject({
    code: 'invalid-input',
    message: `${path} is not there yet: the agent makes it at its first start`,
  });
});
