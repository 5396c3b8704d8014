import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-launcher-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each(['--no-such-option', '--require /no/such/file.js'])(
  'starts in spite of NODE_OPTIONS=%s, and says that it is ignored',
  async (options) => {
    const { stdout, stderr } = await run(join(ROOT, 'bin', 'rstow'), ['--version'], { env: { ...process.env, NODE_OPTIONS: options } });
    expect(stdout).toMatch(/[0-9]+\.[0-9]+\.[0-9]+/);
    expect(stderr).toContain('NODE_OPTIONS is ignored');
  },
);

it('keeps NODE_OPTIONS that its Node.js can run with', async () => {
  const env = { ...process.env, NODE_OPTIONS: '--max-old-space-size=200' };
  expect((await run(join(ROOT, 'bin', 'rstow'), ['--version'], { env })).stderr).toBe('');
});

it('prints a unit whose program is the file itself, where its path has a blank or a letter beyond ASCII', async () => {
  const place = join(folder, 'a ö b');
  await symlink(ROOT, place);
  const node = ['--disable-warning=ExperimentalWarning', '--preserve-symlinks', '--preserve-symlinks-main'];
  const { stdout } = await run(process.execPath, [...node, join(place, 'src', 'cli', 'main.ts'), 'agent', '--print-unit']);
  expect(stdout).toContain(`ExecStart="${place}/bin/rstow" agent`);
});
