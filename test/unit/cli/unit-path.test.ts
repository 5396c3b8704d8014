import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { unitPath } from '../../../src/cli/unit-path.ts';

const SYSTEM = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-unit-path-'));
  const files = { 'home/bin/ls-of-mine': 0o755, 'tools/temporal': 0o755, 'later/temporal': 0o755, 'data/engine': 0o644 };
  for (const [path, mode] of Object.entries(files)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), '', { mode });
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('has the system’s folders and that of each program that is needed, and nothing else of a person’s PATH', async () => {
  const [home, tools, later, data] = ['home/bin', 'tools', 'later', 'data'].map((name) => join(folder, name));
  const searchPath = [home, tools, '/usr/bin', later, data, '.', '', tools].join(':');
  expect(await unitPath(searchPath, ['temporal', 'engine', 'sh', 'not-there'])).toBe(`${tools}:${SYSTEM}`);
});
